// fork and exec.
//
// The runtime stands still while the process is copied (runtime/fork.h). Its handlers must be the
// last to run before and the first after: whoever registers atfork handlers first gets exactly
// that, so ours are registered before anybody's, at our constructor or at the first registration of
// another's.
#include "interpose/process.h"

#include <stdarg.h>

#include "interpose/dormant.h"
#include "interpose/io.h"
#include "interpose/real.h"
#include "interpose/sync_once.h"

using namespace vervet;
using namespace vervet::interpose;

namespace {

// Where threads are libc's, light fibers' own handlers (runtime/light_host.cpp) see to the runtime.
void prepare() {
  if (dormant()) return io::forget_births();
  io_hold_nonblock();
  if (threads_are_fibers()) fork_prepare();
}

void in_parent() {
  if (dormant()) return;
  if (threads_are_fibers())
    fork_parent();
  else
    descriptors_forked();
  io_release_nonblock();
}

void in_child() {
  bool threads_were_native = wake_process == nullptr;
  if (dormant() && !threads_were_native) return;
  if (!threads_were_native) {
    fork_child();
  } else if (!dormant()) {
    light_fork_child();
    runtime_scope::leave();
  }
  io_forget();
  sync::once_forked_child();
  spawn_forked_child();
  popen_forked_child();
}

std::atomic<bool> handlers_installed{false};

// The replaced process image and what it inherits: no O_NONBLOCK of ours, the very mask of the
// fiber.
class exec_scope {
 public:
  exec_scope() : self_(on_thread_fiber() ? thread::self() : nullptr) {
    if (dormant()) return;
    runtime_scope::enter();
    io_reveal_hidden_nonblock();
    if (self_ != nullptr) signals::expose_mask(*self_);
  }
  ~exec_scope() {
    if (dormant()) return;
    if (self_ != nullptr) signals::hide_mask(*self_);
    runtime_scope::leave();
  }
  exec_scope(const exec_scope&) = delete;
  exec_scope& operator=(const exec_scope&) = delete;

 private:
  fiber* self_;
};

// Runs exec(arguments, environment) with the arguments of an execl: `first` and those in `list` up
// to the null pointer; with `environment_follows` the pointer after that is the environment.
template <typename Exec>
int with_arguments(const char* first, va_list list, bool environment_follows, Exec exec) {
  va_list again;
  va_copy(again, list);
  size_t count = first != nullptr ? 1 : 0;
  if (count != 0)
    while (va_arg(again, char*) != nullptr) ++count;
  va_end(again);
  auto** arguments = static_cast<char**>(__builtin_alloca((count + 1) * sizeof(char*)));
  arguments[0] = const_cast<char*>(first);
  for (size_t i = 1; i <= count; ++i) arguments[i] = va_arg(list, char*);
  char** environment = environment_follows ? va_arg(list, char**) : environ;
  return exec(arguments, environment);
}

}  // namespace

namespace vervet::interpose {

void fork_handlers_install() {
  if (handlers_installed.exchange(true)) return;
  real().__register_atfork(prepare, in_parent, in_child, nullptr);
}

}  // namespace vervet::interpose

EXPORT int __register_atfork(void (*before)(), void (*parent)(), void (*child)(), void* library) {
  fork_handlers_install();
  return real().__register_atfork(before, parent, child, library);
}

// The copy without anybody's handlers but ours.
EXPORT pid_t _Fork() noexcept {
  if (self_state.in_runtime != 0) return real()._Fork();
  prepare();
  pid_t pid = real()._Fork();
  if (pid == 0)
    in_child();
  else
    in_parent();
  return pid;
}

// vfork's child runs in the parent's memory until it execs: on its own stack frame, so the call
// cannot be wrapped, and among our tables, so once the runtime is awake it gets a copy instead. The
// wrapper is a jump to whichever it is.
extern "C" __attribute__((visibility("hidden"), used)) void* vervet_vfork_target() {
  if (!dormant()) return reinterpret_cast<void*>(&_Fork);
  io::forget_births();
  return reinterpret_cast<void*>(real().vfork);
}

asm(R"(
  .globl vfork
  .type vfork, @function
vfork:
  .cfi_startproc
  subq $8, %rsp
  .cfi_def_cfa_offset 16
  call vervet_vfork_target
  addq $8, %rsp
  .cfi_def_cfa_offset 8
  jmp *%rax
  .cfi_endproc
  .size vfork, . - vfork
)");

// ---- exec: all forms by one of three

EXPORT int execve(const char* path, char* const arguments[], char* const environment[]) noexcept {
  exec_scope scope;
  return real().execve(path, arguments, environment);
}

EXPORT int execvpe(const char* file, char* const arguments[], char* const environment[]) noexcept {
  exec_scope scope;
  return real().execvpe(file, arguments, environment);
}

EXPORT int fexecve(int fd, char* const arguments[], char* const environment[]) noexcept {
  exec_scope scope;
  return real().fexecve(fd, arguments, environment);
}

EXPORT int execveat(int directory, const char* path, char* const arguments[],
                    char* const environment[], int flags) noexcept {
  exec_scope scope;
  return real().execveat(directory, path, arguments, environment, flags);
}

EXPORT int execv(const char* path, char* const arguments[]) noexcept {
  return execve(path, arguments, environ);
}

EXPORT int execvp(const char* file, char* const arguments[]) noexcept {
  return execvpe(file, arguments, environ);
}

EXPORT int execl(const char* path, const char* first, ...) noexcept {
  va_list list;
  va_start(list, first);
  int result = with_arguments(first, list, false, [path](char** arguments, char** environment) {
    return execve(path, arguments, environment);
  });
  va_end(list);
  return result;
}

EXPORT int execlp(const char* file, const char* first, ...) noexcept {
  va_list list;
  va_start(list, first);
  int result = with_arguments(first, list, false, [file](char** arguments, char** environment) {
    return execvpe(file, arguments, environment);
  });
  va_end(list);
  return result;
}

EXPORT int execle(const char* path, const char* first, ...) noexcept {
  va_list list;
  va_start(list, first);
  int result = with_arguments(first, list, true, [path](char** arguments, char** environment) {
    return execve(path, arguments, environment);
  });
  va_end(list);
  return result;
}
