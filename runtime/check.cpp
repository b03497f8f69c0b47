#include "runtime/check.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

#include "runtime/sys.h"

namespace vervet {
namespace {

void print_line(const char* format, va_list arguments) {
  char line[512] = "vervet: ";
  int used = 8;
  int wrote = vsnprintf(line + used, sizeof line - 10, format, arguments);
  used += wrote < static_cast<int>(sizeof line) - 11 ? wrote : static_cast<int>(sizeof line) - 11;
  line[used++] = '\n';
  sys::write(2, line, static_cast<size_t>(used));
}

}  // namespace

void say(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  print_line(format, arguments);
  va_end(arguments);
}

void fatal(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  print_line(format, arguments);
  va_end(arguments);
  // Not abort(): the thread may carry an identity the kernel does not know, and raise() would miss.
  struct {
    void* handler;
    unsigned long flags;
    void* restorer;
    unsigned long mask;
  } standard{};
  sys::call(SYS_rt_sigaction, SIGABRT, sys::word(&standard), 0, 8);
  unsigned long none = 0;
  sys::call(SYS_rt_sigprocmask, SIG_SETMASK, sys::word(&none), 0, 8);
  sys::call(SYS_tgkill, sys::getpid(), sys::gettid(), SIGABRT);
  for (;;) sys::call(SYS_exit_group, 134);
}

}  // namespace vervet
