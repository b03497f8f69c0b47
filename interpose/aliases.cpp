// The other exported spellings of replaced functions, straight from the table: a jump each, so that the
// signature (variadic ones included) is the function's own.
#define FN(name)
#define ALIAS(alias, name)                 \
  asm(".globl " #alias "\n"                \
      ".type " #alias ", @function\n"      \
      #alias ":\n"                         \
      "\tjmp " #name "@PLT\n"              \
      ".size " #alias ", . - " #alias "\n");
#include "interpose/functions.def"
