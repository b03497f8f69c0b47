// Child processes: process, exit_status.
#pragma once

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vervet/detail/posix_spawn.hpp>
#include <vervet/detail/turn.hpp>
#include <vervet/detail/uncut.hpp>
#include <vervet/error.hpp>
#include <vervet/fd.hpp>
#include <vervet/fiber.hpp>
#include <vervet/semaphore.hpp>
#include <vervet/time.hpp>

namespace vervet {

// How a process has ended.
struct exit_status {
  int code = 0;    // what it gave to exit(); -1 if a signal has ended it
  int signal = 0;  // which; 0: none

  // Whether it has called exit(0), or returned 0 from main().
  bool success() const noexcept { return code == 0; }
  friend bool operator==(const exit_status&, const exit_status&) = default;
};

// What communicate() and process::run() return.
struct process_output {
  std::string out, err;  // of those that are pipes
  exit_status status;    // how it has ended
};

// A process is a child running another program:
//
//     process sort({"sort", "-n"}, {.in = standard::pipe, .out = standard::pipe});
//     sort.in().write_all("2\n1\n");
//     sort.in().close();
//     sort.wait();
//
// The child has no signal blocked, SIGPIPE as it is by default, and of our descriptors the three
// standard ones and those without close-on-exec.
// Waiting needs no SIGCHLD (gevent and asyncio's older watchers take that from the program, and the
// main thread must wait): the calling fiber, or the OS thread, parks on a pidfd, wherever it is. A
// program that ignores SIGCHLD, or waits for any child, takes the exit status away:
// no_child_process.
//
// Thread safety: every call from any thread or fiber; moves and the destructor as of any object.
// Lifetime: a process that is destroyed while it runs is killed (SIGKILL) and waited for: as with
// std::jthread nothing outlives its owner unseen, and what cannot be refused cannot hang the
// destructor. release() lets it live. Movable, not copyable.
class process {
 public:
  // Starts argv[0], looked for in PATH if it has no slash. Waits, in the kernel, until the child
  // has begun with it. Throws std::system_error: no_such_file_or_directory, permission_denied;
  // std::invalid_argument if argv is empty.
  explicit process(const std::vector<std::string>& argv, const process_options& options = {})
      : state_(std::make_unique<state>()) {
    detail::child_pipes pipes(options);
    state_->pid = detail::spawn_child(argv, options, pipes);
    int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, state_->pid, 0));
    int error = errno;
    if (pidfd >= 0) state_->pidfd = fd(pidfd);
    // It may be gone already, and nobody have to wait for it: wait() tells.
    else if (error != ESRCH)
      abandon(error);
    state_->in = std::move(pipes.in.in);
    state_->out = std::move(pipes.out.out);
    state_->err = std::move(pipes.err.out);
  }
  process(process&&) noexcept = default;
  process& operator=(process&& other) noexcept {
    end();
    state_ = std::move(other.state_);
    return *this;
  }
  ~process() { end(); }

  // Runs argv to its end: `input` to its stdin, stdout and stderr collected (unless `options` leads
  // them elsewhere). If it has not ended by `until`, it is killed: throws timed_out. Killed as well
  // if the caller is cut. Throws what the constructor throws.
  static process_output run(const std::vector<std::string>& argv, std::string_view input = {},
                            deadline until = {}, process_options options = piped()) {
    process child(argv, options);
    return child.communicate(input, until);
  }

  // Its number. REQUIRES: not released.
  pid_t pid() const noexcept { return state_->pid; }

  // Our ends of its standard streams; empty if they are not pipes.
  fd& in() noexcept { return state_->in; }
  fd& out() noexcept { return state_->out; }
  fd& err() noexcept { return state_->err; }

  // wait() waits until it has ended, and says how; the same each time. Any number may wait.
  // Throws timed_out, cut_short: it runs on. std::system_error: no_child_process.
  exit_status wait(deadline until = {}) {
    detail::turn looking(state_->waiting, until, "vervet: process");
    if (!state_->status) {
      if (state_->pidfd) state_->pidfd.wait_readable(until);
      state_->status = reap();
    }
    return *state_->status;
  }

  // How it has ended; nothing while it runs. Waits for nobody but who is about to take its status.
  // Throws std::system_error: no_child_process.
  std::optional<exit_status> poll() {
    pollfd ended{state_->pidfd.native_handle(), POLLIN, 0};
    if (state_->pidfd && ::poll(&ended, 1, 0) == 0) return std::nullopt;
    return wait();
  }

  // Sends a signal. False if it has ended and wait() has said so: never reaches another process
  // that was given the same number. Throws std::system_error.
  bool kill(int signal = SIGTERM) {
    if (::syscall(SYS_pidfd_send_signal, state_->pidfd.native_handle(), signal, nullptr, 0) == 0)
      return true;
    if (errno != ESRCH && errno != EBADF) detail::throw_errno(errno, "vervet: process: kill");
    return false;
  }

  // communicate() writes `input` to its stdin and closes that, reads stdout and stderr to their
  // end, all at the same time, so that no full pipe stops it, and waits for it. An input that it
  // does not read to the end is no error. Throws timed_out, cut_short: it runs on, what was read is
  // lost; process::run() kills it.
  process_output communicate(std::string_view input = {}, deadline until = {}) {
    process_output result;
    {
      helper writing(state_->in, [input](fd& in) {
        try {
          in.write_all(input);
        } catch (const std::system_error& error) {
          if (error.code() != std::errc::broken_pipe) throw;
        }
        in.close();
      });
      helper out(state_->out, [&](fd& from) { read_all(from, result.out); });
      helper err(state_->err, [&](fd& from) { read_all(from, result.err); });
      for (helper* each : {&writing, &out, &err}) each->finish(until);
    }
    result.status = wait(until);
    return result;
  }

  // Gives the child up: it lives on, and the caller waits for its number, or it stays a zombie
  // until we end. Then only moves and the destructor may be called.
  pid_t release() noexcept {
    pid_t pid = state_->pid;
    state_.reset();
    return pid;
  }

 private:
  struct state {
    pid_t pid = -1;
    fd pidfd;
    fd in, out, err;
    semaphore waiting{1};  // guards `status`
    std::optional<exit_status> status;
  };

  // A fiber that works on one of the pipes; none if that is empty. Ends with this.
  class helper {
   public:
    template <typename Work>
    helper(fd& pipe, Work work) {
      if (pipe) fiber_ = spawn({.name = "process"}, [&pipe, work] { work(pipe); });
    }
    ~helper() {
      detail::uncut shield;
      if (fiber_) fiber_.kill();
    }
    helper(const helper&) = delete;
    helper& operator=(const helper&) = delete;

    void finish(deadline until) {
      if (fiber_) fiber_.get(until);
    }

   private:
    fiber<> fiber_;
  };

  static process_options piped() {
    return {.in = standard::pipe, .out = standard::pipe, .err = standard::pipe};
  }

  static void read_all(fd& from, std::string& into) {
    char part[16384];
    while (std::size_t n = from.read_some(part)) into.append(part, n);
    from.close();
  }

  // REQUIRES: it has ended, or was taken away.
  exit_status reap() {
    siginfo_t info{};
    int options = WEXITED | WNOHANG;
    while (::waitid(P_PID, static_cast<id_t>(state_->pid), &info, options) != 0)
      if (errno != EINTR) detail::throw_errno(errno, "vervet: process");
    if (info.si_code == CLD_EXITED) return {info.si_status, 0};
    return {-1, info.si_status};
  }

  void end() noexcept {
    if (state_ == nullptr || state_->status) return;
    detail::uncut shield;
    try {
      kill(SIGKILL);
      wait();
    } catch (const std::system_error&) {
      // Somebody else has waited for it.
    }
  }

  // There is no pidfd, and a child that nobody could wait for.
  [[noreturn]] void abandon(int error) {
    ::kill(state_->pid, SIGKILL);
    ::waitpid(state_->pid, nullptr, 0);
    detail::throw_errno(error, "vervet: process");
  }

  std::unique_ptr<state> state_;
};

}  // namespace vervet
