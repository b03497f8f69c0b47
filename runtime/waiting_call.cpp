#include "runtime/waiting_call.h"

#include <charconv>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "runtime/signal_frame.h"
#include "runtime/sys.h"

namespace vervet {
namespace {

enum class after_signal {
  restarted,  // by SA_RESTART
  rest,       // fails with EINTR; restart_syscall sleeps what is left of its time
  anew,       // fails with EINTR; can be made again as it is: it has no end, or an absolute one, or
              // the kernel has written down what is left
  broken,     // fails with EINTR, or has done a part, and nothing helps
};

// The kernel gives up with EINTR, instead of restarting, when the socket has a time limit.
bool has_time_limit(long fd) {
  for (int option : {SO_RCVTIMEO, SO_SNDTIMEO}) {
    timeval limit{};
    socklen_t size = sizeof limit;
    long error =
        sys::call(SYS_getsockopt, fd, SOL_SOCKET, option, sys::word(&limit), sys::word(&size));
    if (error == 0 && (limit.tv_sec != 0 || limit.tv_usec != 0)) return true;
  }
  return false;
}

after_signal futex_after_signal(const long (&arguments)[6]) {
  long operation = arguments[1] & FUTEX_CMD_MASK;
  bool waits = operation == FUTEX_WAIT || operation == FUTEX_WAIT_BITSET;
  if (!waits) return after_signal::restarted;
  return arguments[3] == 0 ? after_signal::restarted : after_signal::rest;
}

// pselect6's last argument points to the mask and its size. The call is under way, or just over:
// the memory is there, but asking the kernel to read it costs nothing.
bool has_mask(long argument) {
  if (argument == 0) return false;
  const void* mask = nullptr;
  iovec here{&mask, sizeof mask};
  iovec there{reinterpret_cast<void*>(argument), sizeof mask};
  long size =
      sys::call(SYS_process_vm_readv, sys::getpid(), sys::word(&here), 1, sys::word(&there), 1);
  return size != sizeof mask || mask != nullptr;
}

// What writes is left out: interrupted in the middle it reports the part that it has written.
after_signal effect_on(const waiting_call& c) {
  using enum after_signal;
  const auto& a = c.arguments;
  switch (c.number) {
    case waiting_call::none: return restarted;
    case SYS_read:
    case SYS_readv:
    case SYS_accept:
    case SYS_accept4:
    case SYS_connect: return has_time_limit(a[0]) ? broken : restarted;
    case SYS_recvfrom:
      return (a[3] & MSG_WAITALL) != 0 || has_time_limit(a[0]) ? broken : restarted;
    case SYS_recvmsg: return (a[2] & MSG_WAITALL) != 0 || has_time_limit(a[0]) ? broken : restarted;
    case SYS_open:
    case SYS_openat:
    case SYS_flock:
    case SYS_fcntl:
    case SYS_wait4:
    case SYS_waitid: return restarted;
    case SYS_futex: return futex_after_signal(a);
    case SYS_nanosleep:
    case SYS_poll: return rest;
    case SYS_clock_nanosleep: return (a[1] & TIMER_ABSTIME) != 0 ? anew : rest;
    case SYS_select:
    case SYS_msgrcv:
    case SYS_msgsnd:
    case SYS_semop: return anew;
    case SYS_semtimedop: return a[3] == 0 ? anew : broken;
    // With a mask they wait for a signal of the program's, and nothing must come between.
    case SYS_pselect6: return !has_mask(a[5]) ? anew : broken;
    case SYS_ppoll: return a[3] == 0 ? anew : broken;
    case SYS_epoll_wait: return static_cast<int>(a[3]) < 0 ? anew : broken;
    case SYS_epoll_pwait: return static_cast<int>(a[3]) < 0 && a[4] == 0 ? anew : broken;
    case SYS_epoll_pwait2: return a[3] == 0 && a[4] == 0 ? anew : broken;
    default: return broken;
  }
}

// Takes the next number of a line, decimal or hexadecimal, and the blank after it.
bool take_number(const char*& text, const char* end, long& result) {
  int base = 10;
  if (end - text > 2 && text[0] == '0' && text[1] == 'x') {
    text += 2;
    base = 16;
  }
  unsigned long bits = 0;
  bool negative = text != end && *text == '-';
  if (negative) ++text;
  auto parsed = std::from_chars(text, end, bits, base);
  if (parsed.ec != std::errc{}) return false;
  text = parsed.ptr;
  if (text != end && *text == ' ') ++text;
  result = static_cast<long>(negative ? -bits : bits);
  return true;
}

// "running", or "-1 stack-pointer instruction", or the number, six arguments and these two.
waiting_call parse(const char* text, const char* end) {
  waiting_call call;
  if (*text == 'r') {
    call.number = waiting_call::none;
    return call;
  }
  long number;
  long words[8];
  if (!take_number(text, end, number)) return call;
  unsigned count = 0;
  while (count < 8 && take_number(text, end, words[count])) ++count;
  if (number < 0 || count != 8) {
    // Asleep, but not in a call: it waits for a page, say.
    call.number = waiting_call::none;
    return call;
  }
  call.number = number;
  memcpy(call.arguments, words, sizeof call.arguments);
  call.stack_pointer = static_cast<uintptr_t>(words[6]);
  call.instruction = static_cast<uintptr_t>(words[7]);
  return call;
}

// The call that failed with EINTR just before the frame's instruction; its number is not among the
// registers any more.
waiting_call failed_call(const gregset_t& registers) {
  static constexpr int argument_registers[6] = {REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9};
  waiting_call call;
  const auto* code = reinterpret_cast<const unsigned char*>(registers[REG_RIP]) - 2;
  if (registers[REG_RAX] != -EINTR || code[0] != 0x0f || code[1] != 0x05) return call;  // syscall
  for (unsigned i = 0; i < 6; ++i) call.arguments[i] = registers[argument_registers[i]];
  call.stack_pointer = static_cast<uintptr_t>(registers[REG_RSP]);
  call.instruction = static_cast<uintptr_t>(registers[REG_RIP]);
  // What libc has before it: mov $number, %eax.
  if (code[-5] == 0xb8) {
    uint32_t number;
    memcpy(&number, code - 4, sizeof number);
    call.number = number;
  }
  return call;
}

bool same_place(const waiting_call& a, const waiting_call& b) {
  return a.instruction == b.instruction && a.stack_pointer == b.stack_pointer &&
         memcmp(a.arguments, b.arguments, sizeof a.arguments) == 0;
}

}  // namespace

waiting_call waiting_call_of(int tid) {
  char path[64] = "/proc/self/task/";
  char* end = path + strlen(path);
  end = std::to_chars(end, path + sizeof path - 16, tid).ptr;
  strcpy(end, "/syscall");
  long fd = sys::call(SYS_openat, AT_FDCWD, sys::word(path), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  char line[256];
  long size = sys::read(static_cast<int>(fd), line, sizeof line);
  sys::close(static_cast<int>(fd));
  return size > 0 ? parse(line, line + size) : waiting_call{};
}

bool can_go_on(const waiting_call& call) { return effect_on(call) != after_signal::broken; }

void go_on(const waiting_call& call, ucontext_t& frame) {
  auto& registers = frame.uc_mcontext.gregs;
  waiting_call failed = failed_call(registers);
  bool foreseen = call.number >= 0 && same_place(call, failed);
  if (foreseen) failed.number = call.number;
  switch (effect_on(failed)) {
    case after_signal::anew:
      // Only the number that the kernel has told is sure.
      if (!foreseen) return;
      registers[REG_RIP] -= 2;
      registers[REG_RAX] = call.number;
      return;
    case after_signal::rest:
      // The kernel keeps what is left until this handler returns, and then for nobody.
      raw::set_mask(frame_mask(frame));
      registers[REG_RAX] = sys::call(SYS_restart_syscall);
      // A handler that ran meanwhile may have changed the mask.
      frame_mask(frame) = raw::set_mask(~signal_set{0});
      return;
    case after_signal::restarted:
    case after_signal::broken: return;
  }
}

}  // namespace vervet
