// Programs started: posix_spawn, and what libc builds on it. system() and pclose() wait for a
// child, so they are ours; popen() is, because only it knows the child of a stream.
#include <paths.h>

#include "interpose/dormant.h"
#include "interpose/io.h"
#include "interpose/process.h"
#include "interpose/real.h"

using namespace vervet;
using namespace vervet::interpose;

namespace {

// The child is on its way to exec while libc makes the call: it shares descriptions with us and
// inherits the mask of the calling kernel thread.
template <typename Call>
int spawn(Call call) {
  if (dormant()) {
    io::forget_births();
    return call();
  }
  fiber* self = on_thread_fiber() ? thread::self() : nullptr;
  runtime_scope scope;
  io_hold_nonblock();
  if (self != nullptr) signals::expose_mask(*self);
  int error = call();
  if (self != nullptr) signals::hide_mask(*self);
  descriptors_forked();
  io_release_nonblock();
  return error;
}

int spawn_shell(pid_t* pid, const char* command, const posix_spawn_file_actions_t* actions,
                const posix_spawnattr_t* attributes) {
  const char* arguments[] = {"sh", "-c", command, nullptr};
  return posix_spawn(pid, _PATH_BSHELL, actions, attributes, const_cast<char**>(arguments),
                     environ);
}

}  // namespace

EXPORT int posix_spawn(pid_t* pid, const char* path, const posix_spawn_file_actions_t* actions,
                       const posix_spawnattr_t* attributes, char* const arguments[],
                       char* const environment[]) {
  return spawn(
      [&] { return real().posix_spawn(pid, path, actions, attributes, arguments, environment); });
}

EXPORT int posix_spawnp(pid_t* pid, const char* file, const posix_spawn_file_actions_t* actions,
                        const posix_spawnattr_t* attributes, char* const arguments[],
                        char* const environment[]) {
  return spawn(
      [&] { return real().posix_spawnp(pid, file, actions, attributes, arguments, environment); });
}

// ---- system

namespace {

// SIGINT and SIGQUIT belong to the command while one runs; the first saves and the last restores.
struct {
  lock mutex;
  unsigned running;
  struct sigaction interrupt, quit;
} commands;

// A handler that is due meanwhile runs when the scope is left, with the lock free.
void command_starts() {
  runtime_scope scope;
  lock_guard guard(commands.mutex);
  if (commands.running++ != 0) return;
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGINT, &ignore, &commands.interrupt);
  sigaction(SIGQUIT, &ignore, &commands.quit);
}

void command_ended() {
  runtime_scope scope;
  lock_guard guard(commands.mutex);
  if (--commands.running != 0) return;
  sigaction(SIGINT, &commands.interrupt, nullptr);
  sigaction(SIGQUIT, &commands.quit, nullptr);
}

// SIGCHLD is blocked in a thread, whose light fibers may run several commands: the first blocks it,
// the last restores.
struct blocked_in_thread {
  unsigned commands;
  sigset_t mask;
};
thread_local blocked_in_thread blocked __attribute__((tls_model("initial-exec")));

void block_child_signal() {
  if (blocked.commands++ != 0) return;
  sigset_t block;
  sigemptyset(&block);
  sigaddset(&block, SIGCHLD);
  sigprocmask(SIG_BLOCK, &block, &blocked.mask);
}

struct running_command {
  pid_t pid;
};

void settle() {
  command_ended();
  if (--blocked.commands == 0) sigprocmask(SIG_SETMASK, &blocked.mask, nullptr);
}

// Waits in spite of handlers, which is what system() promises.
int reap(pid_t pid, int* status) {
  pid_t waited;
  do {
    waited = waitpid(pid, status, 0);
  } while (waited < 0 && errno == EINTR);
  return waited == pid ? 0 : -1;
}

// The caller is cancelled: the command goes with it.
void abandon(void* argument) {
  auto& c = *static_cast<running_command*>(argument);
  kill(c.pid, SIGKILL);
  int state;
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
  int status;
  reap(c.pid, &status);
  settle();
}

// The caller's wait was cut, and so is the next: the command ends, which does not take long.
void end_command(pid_t pid) {
  int kept = errno;
  kill(pid, SIGKILL);
  {
    runtime_scope scope;
    int status;
    wait_for_child(pid, &status, 0, nullptr, false);
  }
  errno = kept;
}

int run_command(const char* command) {
  running_command c;
  command_starts();
  block_child_signal();

  sigset_t defaults;
  sigemptyset(&defaults);
  if (commands.interrupt.sa_handler != SIG_IGN) sigaddset(&defaults, SIGINT);
  if (commands.quit.sa_handler != SIG_IGN) sigaddset(&defaults, SIGQUIT);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setsigmask(&attributes, &blocked.mask);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  int error = spawn_shell(&c.pid, command, nullptr, &attributes);
  posix_spawnattr_destroy(&attributes);

  constexpr int cannot_execute_shell = 127 << 8;
  int status = cannot_execute_shell;
  if (error == 0) {
    pthread_cleanup_push(abandon, &c);
    if (reap(c.pid, &status) != 0) {
      status = -1;
      if (errno == ECANCELED) end_command(c.pid);
    }
    pthread_cleanup_pop(0);
  }
  settle();
  if (error != 0) errno = error;
  return status;
}

}  // namespace

namespace vervet::interpose {

void spawn_forked_child() {
  commands.mutex.reset();
  commands.running = 0;
  // Another light fiber of this thread was in the middle of a command.
  if (blocked.commands != 0) sigprocmask(SIG_SETMASK, &blocked.mask, nullptr);
  blocked.commands = 0;
}

}  // namespace vervet::interpose

EXPORT int system(const char* command) {
  if (!on_fiber()) return real().system(command);
  // A null pointer asks whether there is a shell.
  if (command == nullptr) return run_command("exit 0") == 0;
  return run_command(command);
}
