#include "interpose/launcher_program.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <string_view>
#include <vector>

#include "interpose/launcher_elf.h"

namespace vervet::launcher {
namespace {

constexpr int max_scripts = 5;            // as many as the kernel follows
constexpr size_t script_line_size = 256;  // as much of a script as the kernel reads

refusal cannot_run(const std::string& why) { return {refusal::cannot_run, why}; }
refusal not_found(const std::string& why) { return {refusal::not_found, why}; }

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// Why exec would not even look into `file`.
std::optional<refusal> file_refusal(const std::string& file) {
  struct stat status;
  if (stat(file.c_str(), &status) != 0) {
    std::string why = file + ": " + strerror(errno);
    return errno == ENOENT || errno == ENOTDIR ? not_found(why) : cannot_run(why);
  }
  if (S_ISDIR(status.st_mode)) return cannot_run(file + " is a directory");
  if (!S_ISREG(status.st_mode)) return cannot_run(file + " is not a regular file");
  if (faccessat(AT_FDCWD, file.c_str(), X_OK, AT_EACCESS) != 0)
    return cannot_run(file + " is not executable (" + strerror(errno) + ")");
  return {};
}

std::string default_path() {
  std::string path(confstr(_CS_PATH, nullptr, 0), '\0');
  confstr(_CS_PATH, path.data(), path.size());
  return path.c_str();
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (;;) {
    size_t end = text.find(separator);
    parts.emplace_back(text.substr(0, end));
    if (end == text.npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// The dynamic linker drops LD_PRELOAD paths in a process that exec gave more rights than its
// caller has (AT_SECURE). Where exec ignores the file's privileges nothing is dropped.
std::optional<refusal> privilege_refusal(const std::string& file, int fd) {
  struct stat status;
  struct statvfs mount;
  if (fstat(fd, &status) != 0 || fstatvfs(fd, &mount) != 0)
    return cannot_run(file + ": " + strerror(errno));
  if (mount.f_flag & ST_NOSUID) return {};

  bool setid_counts = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0;
  bool setuid = (status.st_mode & S_ISUID) && status.st_uid != getuid();
  bool setgid =
      (status.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && status.st_gid != getgid();
  if (setid_counts && (setuid || setgid))
    return cannot_run(file + " is " + (setuid ? "setuid" : "setgid") +
                      "; the dynamic linker loads no library of ours into privileged programs");

  // For root they add nothing, and the kernel does not call the process privileged.
  bool capabilities = fgetxattr(fd, "security.capability", nullptr, 0) > 0 && getuid() != 0;
  if (capabilities)
    return cannot_run(file +
                      " has file capabilities; the dynamic linker loads no library of "
                      "ours into privileged programs");
  return {};
}

// The interpreter and the one argument of a `#!` line, as the kernel reads them.
struct script_line {
  std::string interpreter;
  std::string argument;
};

script_line parse_script_line(std::string_view text) {
  constexpr const char* blanks = " \t";
  text = text.substr(2, text.find('\n') - 2);
  text = text.substr(0, text.find('\0'));
  text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
  text = text.substr(0, text.find_last_not_of(blanks) + 1);

  size_t end = std::min(text.find_first_of(blanks), text.size());
  std::string_view rest = text.substr(end);
  rest.remove_prefix(std::min(rest.find_first_not_of(blanks), rest.size()));
  return {std::string(text.substr(0, end)), std::string(rest)};
}

// The program that `env argument` runs; empty if that cannot be told from here.
std::string program_of_env(const std::string& argument) {
  std::string_view text = argument;
  bool split_words = false;
  for (std::string_view prefix : {"-S", "--split-string="}) {
    if (!text.starts_with(prefix)) continue;
    text.remove_prefix(prefix.size());
    split_words = true;
  }
  // Without -S, env gets the whole argument as one word.
  if (!split_words) return text.starts_with('-') || text.find('=') != text.npos ? "" : argument;

  for (const std::string& word : split(text, ' ')) {
    if (word.empty()) continue;
    if (word.starts_with("PATH=") || word.find_first_of("-'\"$\\") == 0) return {};
    if (word.find('=') == word.npos) return word;
  }
  return {};
}

std::optional<refusal> inspect(const std::string& file, const char* path, int scripts);

// `why` for the script the user named, whose interpreter is the culprit.
std::optional<refusal> blame(const std::string& script, std::optional<refusal> culprit) {
  if (culprit)
    culprit->why = script + " is a script whose interpreter cannot be run: " + culprit->why;
  return culprit;
}

std::optional<refusal> inspect_script(const std::string& file, std::string_view text,
                                      const char* path, int scripts) {
  if (scripts == max_scripts) return cannot_run(file + ": too many scripts run by scripts");
  script_line line = parse_script_line(text);
  if (line.interpreter.empty())
    return cannot_run(file + " has a #! line that names no interpreter");

  if (auto refused = file_refusal(line.interpreter)) return blame(file, refused);
  if (auto refused = inspect(line.interpreter, path, scripts + 1)) return blame(file, refused);
  if (base_name(line.interpreter) != "env") return {};

  std::string name = program_of_env(line.argument);
  if (name.empty()) return {};
  found program = find_program(name, path);
  if (program.refused) return blame(file, program.refused);
  return blame(file, inspect(program.file, path, scripts + 1));
}

std::optional<refusal> inspect(const std::string& file, const char* path, int scripts) {
  int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    // Executable but not readable (mode 0711): exec may work, so let it decide.
    if (errno == EACCES) return {};
    return cannot_run(file + ": " + strerror(errno));
  }

  char start[script_line_size] = {};
  ssize_t length = pread(fd, start, sizeof start, 0);
  std::string_view text(start, length > 0 ? static_cast<size_t>(length) : 0);
  std::optional<refusal> refused;
  if (text.starts_with("\177ELF")) {
    if (auto objection = elf_objection(fd)) refused = cannot_run(file + " " + *objection);
    if (!refused) refused = privilege_refusal(file, fd);
  } else if (text.starts_with("#!")) {
    refused = inspect_script(file, text, path, scripts);
  } else {
    refused =
        cannot_run(file + " is neither an ELF program nor a #! script (" + strerror(ENOEXEC) + ")");
  }
  close(fd);
  return refused;
}

}  // namespace

found find_program(const std::string& name, const char* path) {
  if (name.find('/') != name.npos) return {name, file_refusal(name)};
  std::optional<refusal> denied;
  for (const std::string& directory : split(path ? path : default_path(), ':')) {
    if (name.empty()) break;
    std::string file = directory.empty() ? name : directory + "/" + name;
    std::optional<refusal> refused = file_refusal(file);
    if (!refused) return {file, {}};
    if (refused->status == refusal::cannot_run && !denied) denied = refused;
  }
  // Like execvp: something there that may not be run is a better answer than nothing there.
  return {{}, denied ? denied : not_found(name + ": not found on PATH")};
}

std::optional<refusal> inspect_program(const std::string& file, const char* path) {
  return inspect(file, path, 0);
}

}  // namespace vervet::launcher
