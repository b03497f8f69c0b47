// The program sees its own arguments, name and files.
// oracle: args="one 'two words' '' --workers=7 -x"
#include "../check.h"

#include <sys/auxv.h>

static const char* last_part(const char* path) {
  const char* slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

int main(int count, char** arguments) {
  char path[4096];
  for (int i = 1; i < count; ++i) say("argument %d: '%s'", i, arguments[i]);
  say("called %s, %s", last_part(arguments[0]), program_invocation_short_name);
  const ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  CHECK(length > 0);
  path[length] = 0;
  say("running %s", last_part(path));
  say("by the kernel's word %s", last_part((const char*)getauxval(AT_EXECFN)));
  FILE* file = fopen("/proc/self/comm", "r");
  CHECK(file && fgets(path, sizeof path, file));
  say("known as %s", path);
  FACT("arguments are followed by their end", arguments[count] == NULL);
  return 0;
}
