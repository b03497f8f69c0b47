// Start and end of a patched process: our constructor, the way main is called, the wake-up at the first
// thread, the statistics at exit.
#include "interpose/startup.h"

#include <setjmp.h>
#include <string.h>

#include "interpose/cancel.h"
#include "interpose/dormant.h"
#include "interpose/mode.h"
#include "interpose/process.h"
#include "interpose/real.h"
#include "interpose/settings.h"

extern "C" {
int __sigsetjmp(struct __jmp_buf_tag*, int) noexcept __attribute__((returns_twice));
void __pthread_register_cancel(__pthread_unwind_buf_t*);
void __pthread_unregister_cancel(__pthread_unwind_buf_t*);
}

namespace vervet::interpose {
namespace {

using main_function = int (*)(int, char**, char**);
main_function program_main;

// Before the program's own constructors, as far as the loader's order allows.
__attribute__((constructor(101))) void constructor() {
  bind_real();
  announce_patches();
  fork_handlers_install();
  if (!get_settings().native_threads) wake_process = wake_runtime;
  // Light fibers of the program's threads: what their calls learn of descriptors needs its table.
  else if (!descriptors_start()) say("no memory for the table of descriptors: I/O will block");
}

__attribute__((destructor)) void destructor() {
  if (get_settings().stats) print_statistics();
}

// libc's landing place for pthread_exit from main lies in its start-up code, which would end the kernel
// thread, and that is a carrier. Ours lies here.
int call_main(int argc, char** argv, char** envp) {
  __pthread_unwind_buf_t landing;
  if (__sigsetjmp(reinterpret_cast<struct __jmp_buf_tag*>(landing.__cancel_jmp_buf), 0) != 0) {
    if (dormant()) exit(0);  // the only thread has ended
    thread::end_current();
  }
  __pthread_register_cancel(&landing);
  int status = program_main(argc, argv, envp);
  __pthread_unregister_cancel(&landing);
  return status;
}

}  // namespace

int wake_runtime() {
  static lock waking;
  lock_guard guard(waking);
  if (!dormant()) return 0;
  int error = scheduler::start(
      {.workers = get_settings().workers, .adopt_caller = true, .tick = get_settings().tick});
  if (error == 0) adopt_cancel_state();
  return error;
}

}  // namespace vervet::interpose

EXPORT int __libc_start_main(int (*main)(int, char**, char**), int argc, char** argv,
                             void (*init)(), void (*fini)(), void (*rtld_fini)(), void* stack_end) {
  using namespace vervet::interpose;
  program_main = main;
  bool fibers = !get_settings().native_threads;
  return real().__libc_start_main(fibers ? call_main : main, argc, argv, init, fini, rtld_fini,
                                  stack_end);
}
