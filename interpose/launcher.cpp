// vervet [options] program [arguments...]: checks that the program can be run with every thread as
// a fiber, puts the preload library and the options into its environment, and becomes it.
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <vector>

#include "interpose/launcher_options.h"
#include "interpose/launcher_program.h"

namespace {

using namespace vervet::launcher;

constexpr const char* preload_name = "libvervet_preload.so";
constexpr const char* runtime_name = "libvervet.so";

// Whatever strange file name `why` quotes, the user gets one line.
[[noreturn]] void end(int status, const std::string& why) {
  std::string line;
  for (unsigned char c : why) {
    char escaped[8];
    snprintf(escaped, sizeof escaped, c < ' ' || c == 127 ? "\\x%02x" : "%c", c);
    line += escaped;
  }
  fprintf(stderr, "vervet: %s\n", line.c_str());
  exit(status);
}

// The directory of our libraries, relative to this executable: the same in the build tree and in
// an installed one.
std::string library_directory() {
  char self[PATH_MAX];
  ssize_t length = readlink("/proc/self/exe", self, sizeof self);
  if (length <= 0 || length == sizeof self)
    end(refusal::cannot_run, std::string("cannot read /proc/self/exe: ") + strerror(errno));
  std::string prefix(self, static_cast<size_t>(length));
  for (int levels = 0; levels < 2; ++levels) prefix.resize(prefix.rfind('/'));

  std::string tried;
  for (const char* name : {VERVET_LIBDIR, "lib"}) {
    std::string directory = *name == '/' ? name : prefix + "/" + name;
    bool complete = access((directory + "/" + preload_name).c_str(), R_OK) == 0 &&
                    access((directory + "/" + runtime_name).c_str(), R_OK) == 0;
    if (complete) return directory;
    if (tried.find(directory) == tried.npos) tried += (tried.empty() ? "" : " or ") + directory;
  }
  end(refusal::cannot_run,
      std::string("cannot find ") + preload_name + " and " + runtime_name + " in " + tried);
}

bool preloaded_already(const std::string& list, const std::string& library) {
  std::string separated = ":" + list + ":";
  for (char& c : separated)
    if (c == ' ') c = ':';
  return separated.find(":" + library + ":") != separated.npos;
}

#ifdef VERVET_ASAN
// Our sanitized libraries want their sanitizer in front of everything. It must not look for leaks:
// what only a parked fiber's stack refers to would count as one. Faults and alternate signal stacks
// are left to the runtime and the program. What the user set comes last, and counts.
void set_sanitizer_options() {
  std::string wanted =
      "detect_leaks=0:handle_segv=0:handle_sigbus=0:handle_sigfpe=0:"
      "use_sigaltstack=0:";
  const char* before = getenv("ASAN_OPTIONS");
  setenv("ASAN_OPTIONS", (wanted + (before ? before : "")).c_str(), 1);
}
#endif

// Ours comes first: a wrapper of ours calls the next library's function of that name, so what was
// preloaded for its own purpose (an allocator, faketime, torsocks) still sees every call, while a
// wrapper in front of ours that calls libc by itself would hide calls from us.
void set_preload(const std::string& library) {
  // LD_PRELOAD can quote neither its separators nor its $ORIGIN-like tokens.
  if (library.find_first_of(" :$") != library.npos)
    end(refusal::cannot_run,
        "cannot preload " + library + ": its path contains a space, a colon or a dollar sign");
  const char* before = getenv("LD_PRELOAD");
  std::string list = before ? before : "";
  if (preloaded_already(list, library)) return;
  list = list.empty() ? library : library + ":" + list;
#ifdef VERVET_ASAN
  list = VERVET_ASAN ":" + list;
  set_sanitizer_options();
#endif
  setenv("LD_PRELOAD", list.c_str(), 1);
}

void set_environment(const options& wanted) {
  if (wanted.workers) setenv("VERVET_WORKERS", std::to_string(*wanted.workers).c_str(), 1);
  if (wanted.stack_size) setenv("VERVET_STACK_SIZE", std::to_string(*wanted.stack_size).c_str(), 1);
  if (wanted.threads) setenv("VERVET_THREADS", wanted.threads->c_str(), 1);
  if (wanted.stats) setenv("VERVET_STATS", "1", 1);
}

// `vervet vervet program`: the launcher itself may be static, and only passes its environment on.
bool is_this_launcher(const std::string& file) {
  struct stat ours, theirs;
  return stat("/proc/self/exe", &ours) == 0 && stat(file.c_str(), &theirs) == 0 &&
         ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

[[noreturn]] void become(const std::string& file, const std::vector<std::string>& command) {
  std::vector<char*> arguments;
  for (const std::string& argument : command)
    arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  execv(file.c_str(), arguments.data());
  end(errno == ENOENT ? refusal::not_found : refusal::cannot_run,
      file + " cannot be run: " + strerror(errno));
}

}  // namespace

int main(int argc, char** argv) {
  parsed line = parse_command_line({argv + (argc > 0), argv + argc}, VERVET_VERSION);
  if (!line.wanted) {
    if (line.status != 0) end(line.status, line.text);
    fputs(line.text.c_str(), stdout);
    return fflush(stdout) == 0 ? 0 : 1;
  }
  const options& wanted = *line.wanted;

  const char* path = getenv("PATH");
  found program = find_program(wanted.command.front(), path);
  if (program.refused) end(program.refused->status, program.refused->why);
  auto refused =
      is_this_launcher(program.file) ? std::nullopt : inspect_program(program.file, path);
  if (refused) end(refused->status, refused->why);

#ifdef VERVET_TSAN
  // It calls functions we replace before it can run our instrumented bodies.
  end(refusal::cannot_run, "a ThreadSanitizer build has unit tests only; it cannot be preloaded");
#endif
  set_preload(library_directory() + "/" + preload_name);
  set_environment(wanted);
  become(program.file, wanted.command);
}
