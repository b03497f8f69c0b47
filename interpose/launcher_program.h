// Finding the program to run, and telling in advance whether vervet can be loaded into it.
#pragma once

#include <optional>
#include <string>

namespace vervet::launcher {

// Why a program is not run: a sentence for the user and the exit status that shells use for it.
struct refusal {
  static constexpr int cannot_run = 126;
  static constexpr int not_found = 127;

  int status;
  std::string why;
};

// Where execvp would find `name`, with `path` (null: the system's default) as PATH.
struct found {
  std::string file;  // what to exec, if `refused` is absent
  std::optional<refusal> refused;
};
found find_program(const std::string& name, const char* path);

// Why `file` would not run with our library in it; absent if it would. Follows `#!` lines, and
// through `env` to the program that it would find on `path`.
// REQUIRES: find_program() gave `file`.
std::optional<refusal> inspect_program(const std::string& file, const char* path);

}  // namespace vervet::launcher
