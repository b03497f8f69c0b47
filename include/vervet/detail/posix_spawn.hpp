// How process starts a child: its options, and posix_spawn(). Not for direct use, but for the
// options.
#pragma once

#include <cerrno>
#include <csignal>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

#include <vervet/fd.hpp>

namespace vervet {

// What a standard stream of a child's is.
enum class standard {
  inherit,  // ours
  pipe,     // a pipe to us
  null,     // /dev/null
  output,   // of stderr alone: wherever stdout goes
};

// How to start a process.
struct process_options {
  standard in = standard::inherit;
  standard out = standard::inherit;
  standard err = standard::inherit;
  std::string directory = {};                                // where it runs; "": where we are
  std::optional<std::vector<std::string>> environment = {};  // NAME=value; none: ours
  bool new_group = false;  // leads a process group of its own: terminal signals do not reach it
};

namespace detail {

// The child's ends are 3 or more, so that no dup2() to a standard one overwrites another.
struct child_pipes {
  pipe_ends in, out, err;

  explicit child_pipes(const process_options& options) {
    if (options.in == standard::pipe) in = one(&pipe_ends::out);
    if (options.out == standard::pipe) out = one(&pipe_ends::in);
    if (options.err == standard::pipe) err = one(&pipe_ends::in);
  }

 private:
  static pipe_ends one(fd pipe_ends::*childs) {
    pipe_ends made = make_pipe();
    // The child's end is its alone, and blocks as any program expects.
    int low = (made.*childs).native_handle();
    int moved = ::fcntl(low, F_DUPFD_CLOEXEC, 3);
    if (moved < 0) throw_errno(errno, "vervet: process");
    made.*childs = fd(moved);
    int flags = ::fcntl(moved, F_GETFL);
    if (flags < 0 || ::fcntl(moved, F_SETFL, flags & ~O_NONBLOCK) != 0)
      throw_errno(errno, "vervet: process");
    return made;
  }
};

// posix_spawn()'s two lists.
class spawn_lists {
 public:
  spawn_lists() {
    check(::posix_spawn_file_actions_init(&actions));
    int error = ::posix_spawnattr_init(&attributes);
    if (error != 0) ::posix_spawn_file_actions_destroy(&actions);
    check(error);
  }
  ~spawn_lists() {
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
  }
  spawn_lists(const spawn_lists&) = delete;
  spawn_lists& operator=(const spawn_lists&) = delete;

  static void check(int error) {
    if (error != 0) throw_errno(error, "vervet: process");
  }

  void lead(int number, standard where, const fd& childs_end) {
    if (where == standard::pipe)
      check(::posix_spawn_file_actions_adddup2(&actions, childs_end.native_handle(), number));
    if (where == standard::null)
      check(::posix_spawn_file_actions_addopen(&actions, number, "/dev/null", O_RDWR, 0));
    if (where == standard::output)
      check(::posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, number));
  }

  // No signal blocked, SIGPIPE by default: what we need is not what the child expects.
  void reset_signals(short more_flags) {
    sigset_t none, pipe;
    sigemptyset(&none);
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    check(::posix_spawnattr_setsigmask(&attributes, &none));
    check(::posix_spawnattr_setsigdefault(&attributes, &pipe));
    int flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | more_flags;
    check(::posix_spawnattr_setflags(&attributes, static_cast<short>(flags)));
  }

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
};

inline std::vector<char*> pointers_to(const std::vector<std::string>& strings) {
  std::vector<char*> all;
  for (const std::string& s : strings) all.push_back(const_cast<char*>(s.c_str()));
  all.push_back(nullptr);
  return all;
}

// The child's number. Its ends of the pipes are closed here then.
inline pid_t spawn_child(const std::vector<std::string>& argv, const process_options& options,
                         child_pipes& pipes) {
  if (argv.empty()) throw std::invalid_argument("vervet: process: empty argv");
  spawn_lists lists;
  lists.lead(STDIN_FILENO, options.in, pipes.in.out);
  lists.lead(STDOUT_FILENO, options.out, pipes.out.in);
  lists.lead(STDERR_FILENO, options.err, pipes.err.in);
  if (!options.directory.empty())
    lists.check(::posix_spawn_file_actions_addchdir_np(&lists.actions, options.directory.c_str()));
  lists.reset_signals(options.new_group ? POSIX_SPAWN_SETPGROUP : 0);
  std::vector<char*> words = pointers_to(argv);
  std::vector<char*> variables;
  if (options.environment) variables = pointers_to(*options.environment);
  pid_t pid = -1;
  int error = ::posix_spawnp(&pid, words[0], &lists.actions, &lists.attributes, words.data(),
                             options.environment ? variables.data() : environ);
  if (error != 0)
    throw std::system_error(error, std::generic_category(), "vervet: process " + argv[0]);
  pipes.in.out.close();
  pipes.out.in.close();
  pipes.err.in.close();
  return pid;
}

}  // namespace detail
}  // namespace vervet
