// The launcher's command line: vervet [options] program [arguments...]
#pragma once

#include <stddef.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vervet::launcher {

inline constexpr unsigned max_workers = 256;
inline constexpr size_t min_stack_size = size_t{16} << 10;
inline constexpr size_t max_stack_size = size_t{1} << 30;

// What was asked for. An absent value leaves to the environment, and then to the default.
struct options {
  std::optional<unsigned> workers;
  std::optional<size_t> stack_size;
  std::optional<std::string> threads;
  bool stats = false;
  std::vector<std::string> command;  // the program and its own arguments, never empty
};

// Either options, or the text to end with: to stdout if status is 0 (--help, --version), else one
// line for stderr.
struct parsed {
  std::optional<options> wanted;
  int status = 0;
  std::string text;
};

// Everything from the first argument that is not an option on belongs to the program; `--` ends
// the options before that.
parsed parse_command_line(const std::vector<std::string>& arguments, const std::string& version);

// A number of bytes with an optional suffix K, M or G (powers of 1024). Absent if it is not one or
// does not fit a size_t.
std::optional<size_t> parse_size(std::string_view text);

}  // namespace vervet::launcher
