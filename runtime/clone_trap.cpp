#include "runtime/clone_trap.h"

#include <link.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <ucontext.h>

#include "runtime/sanitizer.h"
#include "runtime/signal_frame.h"
#include "runtime/sys.h"
#include "runtime/thread.h"

namespace vervet::clone_trap {
namespace {

constexpr int set_dispatch = 59;  // PR_SET_SYSCALL_USER_DISPATCH
constexpr int code_of_trap = 2;   // SYS_USER_DISPATCH
constexpr signal_set sigsys = signal_set{1} << (SIGSYS - 1);

// The system calls of our own code are made as ever.
struct {
  uintptr_t start;
  size_t size;
} our_code;

// What the kernel looks at on each system call: 0 lets it pass.
volatile char trapping;

kernel_action action_before;
uint32_t id_wanted;
unmade_thread* wanted;  // null: no clone is expected

// libc's clone3() wrapper keeps the function in rdx and its argument in r8, past the system call.
bool understood(const greg_t* registers, const clone_args& asked) {
  constexpr uint64_t flags = CLONE_VM | CLONE_THREAD | CLONE_SETTLS | CLONE_PARENT_SETTID;
  return wanted != nullptr && (asked.flags & flags) == flags && asked.stack_size != 0 &&
         asked.tls == static_cast<uint64_t>(registers[REG_R8]) && registers[REG_RDX] != 0;
}

void note(const greg_t* registers, const clone_args& asked) {
  wanted->enter = reinterpret_cast<void* (*)(void*)>(registers[REG_RDX]);
  wanted->argument = reinterpret_cast<void*>(registers[REG_R8]);
  wanted->stack = reinterpret_cast<char*>(asked.stack);
  wanted->stack_size = asked.stack_size;
  wanted->identity = reinterpret_cast<void*>(asked.tls);
  wanted = nullptr;
  *reinterpret_cast<uint32_t*>(asked.parent_tid) = id_wanted;
}

// Somebody else's SIGSYS.
void pass_on(int number, siginfo_t* info, void* context) {
  if (action_before.handled())
    return reinterpret_cast<signal_handler>(action_before.handler)(number, info, context);
  raw::action(number, &action_before, nullptr);
  sys::call(SYS_kill, sys::getpid(), number);
}

void on_trap(int number, siginfo_t* info, void* context) {
  if (info->si_code != code_of_trap) return pass_on(number, info, context);
  auto& frame = *static_cast<ucontext_t*>(context);
  greg_t* r = frame.uc_mcontext.gregs;
  switch (info->si_syscall) {
    // What a thread tells the kernel of itself: this one is to go on as it is. (Its mask stays,
    // too, for this signal must get through; those that come find it inside the runtime.)
    case SYS_rt_sigprocmask:
      if (r[REG_RDX] != 0)
        memcpy(reinterpret_cast<void*>(r[REG_RDX]), &frame.uc_sigmask, sizeof(signal_set));
      r[REG_RAX] = 0;
      return;
    case SYS_set_robust_list:
    case SYS_rseq: r[REG_RAX] = 0; return;
    case SYS_clone3: {
      auto& asked = *reinterpret_cast<const clone_args*>(r[REG_RDI]);
      if (!understood(r, asked)) break;
      note(r, asked);
      r[REG_RAX] = id_wanted;
      trapping = 0;
      return;
    }
    case SYS_clone:
    case SYS_rt_sigreturn:
    case SYS_exit: break;
    default:
      r[REG_RAX] = sys::call(info->si_syscall, r[REG_RDI], r[REG_RSI], r[REG_RDX], r[REG_R10],
                             r[REG_R8], r[REG_R9]);
      return;
  }
  // Again, as it is meant: a kernel thread is made after all.
  constexpr int length_of_instruction = 2;
  trapping = 0;
  r[REG_RAX] = info->si_syscall;
  r[REG_RIP] -= length_of_instruction;
}

// Whether pthread_create() is libc's own. A sanitizer's, or a profiler's, may wait for the new thread.
bool created_by_libc;

// The segment of the object that an address lies in, if it does.
const ElfW(Phdr)* segment_of(const dl_phdr_info& object, uintptr_t address) {
  for (int i = 0; i < object.dlpi_phnum; ++i) {
    const ElfW(Phdr)& p = object.dlpi_phdr[i];
    if (p.p_type == PT_LOAD && address - (object.dlpi_addr + p.p_vaddr) < p.p_memsz) return &p;
  }
  return nullptr;
}

int look_at(dl_phdr_info* object, size_t, void*) {
  if (const ElfW(Phdr)* ours = segment_of(*object, reinterpret_cast<uintptr_t>(&on_trap)))
    our_code = {object->dlpi_addr + ours->p_vaddr, ours->p_memsz};
  const char* slash = strrchr(object->dlpi_name, '/');
  if (slash != nullptr && strcmp(slash, "/libc.so.6") == 0)
    created_by_libc =
        segment_of(*object, reinterpret_cast<uintptr_t>(libc.pthread_create)) != nullptr;
  return 0;
}

bool prepare() {
#if defined(VERVET_ASAN) || defined(VERVET_TSAN)
  return false;  // their own pthread_create() expects a kernel thread
#endif
  // Its own system calls would be trapped.
  if (sanitizer::under_valgrind) return false;
  if (our_code.size == 0) dl_iterate_phdr(look_at, nullptr);
  return created_by_libc;
}

long dispatch(bool on) {
  return sys::call(SYS_prctl, set_dispatch, on ? 1 : 0, on ? static_cast<long>(our_code.start) : 0,
                   on ? static_cast<long>(our_code.size) : 0, on ? sys::word(&trapping) : 0);
}

}  // namespace

bool begin() {
  if (!prepare() || (raw::mask() & sigsys) != 0) return false;
  trapping = 0;
  if (sys::failed(dispatch(true))) return false;
  kernel_action ours{};
  ours.handler = reinterpret_cast<void*>(on_trap);
  ours.flags = SA_SIGINFO | SA_ONSTACK | flag_restorer;
  ours.restorer = signal_restorer();
  ours.mask = ~signal_set{0};  // as whom it is passed on to expects
  raw::action(SIGSYS, &ours, &action_before);
  trapping = 1;
  return true;
}

void end() {
  trapping = 0;
  raw::action(SIGSYS, &action_before, nullptr);
  dispatch(false);
}

void trap_again() { trapping = 1; }

int create(pthread_t* handle, const pthread_attr_t& attributes, void* (*start)(void*), uint32_t id,
           unmade_thread& thread) {
  id_wanted = id;
  wanted = &thread;
  int error = libc.pthread_create(handle, &attributes, start, nullptr);
  wanted = nullptr;
  return error;
}

}  // namespace vervet::clone_trap
