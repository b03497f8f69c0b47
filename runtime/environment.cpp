#include "runtime/environment.h"

#include <string.h>

#include "runtime/check.h"
#include "runtime/sys.h"

namespace vervet {

bool parse_duration(const char* text, int64_t longest, int64_t& result) {
  if (*text < '0' || *text > '9') return false;
  int64_t number = 0;
  for (; *text >= '0' && *text <= '9'; ++text) {
    if (number > longest) return false;
    number = number * 10 + (*text - '0');
  }
  int64_t unit = strcmp(text, "ns") == 0   ? 1
                 : strcmp(text, "us") == 0 ? 1'000
                 : strcmp(text, "ms") == 0 ? 1'000'000
                 : strcmp(text, "s") == 0  ? 1'000'000'000
                                           : 0;
  if (unit == 0 || number > longest / unit) return false;
  result = number * unit;
  return true;
}

void refuse_setting(const char* name, const char* value, const char* expected) {
  say("%s=%s: %s", name, value, expected);
  for (;;) sys::call(SYS_exit_group, 2);
}

}  // namespace vervet
