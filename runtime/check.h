// Broken invariants and fatal misuse end the process with one line on stderr.
#pragma once

namespace vervet {

// Writes "vervet: " and the formatted line to stderr with one write, then aborts.
[[noreturn, gnu::format(printf, 1, 2), gnu::visibility("default")]] void fatal(const char* format,
                                                                               ...);

// Writes "vervet: " and the formatted line to stderr with one write.
[[gnu::format(printf, 1, 2), gnu::visibility("default")]] void say(const char* format, ...);

}  // namespace vervet

// Always on. The message says what was expected, with the values.
#define CHECK(condition, ...)                          \
  do {                                                 \
    if (!(condition)) [[unlikely]]                     \
      ::vervet::fatal(__VA_ARGS__);                    \
  } while (0)
