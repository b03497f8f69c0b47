// A system call made by an instruction of the program's own: no library function to replace.
#ifndef INLINE_CALL_H
#define INLINE_CALL_H

static inline long inline_call(long number, long a, long b, long c, long d) {
  long result;
  register long fourth __asm__("r10") = d;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth)
                   : "rcx", "r11", "memory");
  return result;
}

#endif
