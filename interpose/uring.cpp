// io_uring, as programs use it through liburing (its system calls are inline: only its functions can
// be replaced) or through syscall().
//
// A wait for a completion parks: the ring's descriptor is readable while there are completions. What
// is submitted is the kernel's business, with one exception. Each kernel thread that submits gets
// kernel threads of its own for what cannot be done without blocking, four a CPU for regular files;
// and fibers submit from every carrier. One a carrier will do. Those for pipes and sockets, which may
// wait for each other, are left alone.
#include <linux/io_uring.h>

#include "interpose/dormant.h"
#include "interpose/io.h"
#include "interpose/real.h"
#include "interpose/uring.h"
#include "interpose/wire.h"

// liburing's own, as its binary interface has it since 2.0.
struct io_uring {
  char submission_queue[104];
  char completion_queue[88];
  unsigned flags;
  int ring_fd;
};

namespace vervet::interpose {
namespace {

// Set once a ring's descriptor was found where we look for it.
std::atomic<bool> layout_known{false};

bool is_ring(int fd) {
  static constexpr char kind[] = "anon_inode:[io_uring]";
  char path[32] = "/proc/self/fd/";
  char* end = path + sizeof "/proc/self/fd/" - 1;
  if (fd < 0) return false;
  int digits = 1;
  for (int rest = fd; rest >= 10; rest /= 10) ++digits;
  end[digits] = '\0';
  for (int rest = fd; digits-- > 0; rest /= 10) end[digits] = static_cast<char>('0' + rest % 10);
  char target[sizeof kind];
  long size = sys::call(SYS_readlinkat, AT_FDCWD, reinterpret_cast<long>(path),
                        reinterpret_cast<long>(target), sizeof target);
  return size == sizeof kind - 1 && __builtin_memcmp(target, kind, sizeof kind - 1) == 0;
}

int made(const io_uring* ring, int result) {
  if (result != 0 || dormant()) return result;
  runtime_scope scope;
  if (is_ring(ring->ring_fd)) {
    layout_known.store(true, std::memory_order_relaxed);
    uring_made(ring->ring_fd);
  }
  return result;
}

}  // namespace

void uring_will_be_made(const io_uring_params* params) {
  constexpr uint32_t single_issuer = 1u << 12;  // IORING_SETUP_SINGLE_ISSUER, newer than our headers
  if (params != nullptr && (params->flags & single_issuer) != 0 && !wire_caller())
    say("a ring for a single thread is made without a kernel thread of its own");
}

void uring_made(int fd) {
  if (!scheduler::running()) return;
  // The kernel cancels what is under way for a kernel thread that ends.
  carriers::keep_all();
  unsigned most_workers[2] = {1, 0};  // for regular files; for all else, as it is
  sys::call(SYS_io_uring_register, fd, IORING_REGISTER_IOWQ_MAX_WORKERS,
            reinterpret_cast<long>(most_workers), 2);
}

long uring_wait(int fd) {
  int kept;
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &kept);
  long result;
  {
    runtime_scope scope;
    pollfd ring{.fd = fd, .events = POLLIN, .revents = 0};
    result = io::poll(&ring, 1, never);
  }
  pthread_setcancelstate(kept, nullptr);
  return sys::failed(result) ? result : 0;
}

}  // namespace vervet::interpose

using namespace vervet;
using namespace vervet::interpose;

EXPORT int io_uring_queue_init_params(unsigned entries, io_uring* ring, io_uring_params* params) {
  auto* next = real_late(real_table.io_uring_queue_init_params, "io_uring_queue_init_params");
  if (next == nullptr) return -ENOSYS;
  uring_will_be_made(params);
  return made(ring, next(entries, ring, params));
}

EXPORT int io_uring_queue_init(unsigned entries, io_uring* ring, unsigned flags) {
  auto* next = real_late(real_table.io_uring_queue_init, "io_uring_queue_init");
  if (next == nullptr) return -ENOSYS;
  io_uring_params asked{};
  asked.flags = flags;
  uring_will_be_made(&asked);
  return made(ring, next(entries, ring, flags));
}

// Behind all of liburing's waits without a timeout.
EXPORT int __io_uring_get_cqe(io_uring* ring, io_uring_cqe** found, unsigned submit,
                              unsigned count, sigset_t* mask) {
  auto* next = real_late(real_table.__io_uring_get_cqe, "__io_uring_get_cqe");
  if (next == nullptr) return -ENOSYS;
  bool parks = on_fiber() && submit == 0 && count != 0 && mask == nullptr &&
               layout_known.load(std::memory_order_relaxed);
  if (!parks) return next(ring, found, submit, count, mask);
  for (;;) {
    int result = next(ring, found, 0, 0, nullptr);
    if (result != -EAGAIN) break;
    long waited = uring_wait(ring->ring_fd);
    if (waited != 0) return static_cast<int>(waited);
  }
  // There is one; should more be wanted, the kernel counts.
  return next(ring, found, 0, count, nullptr);
}
