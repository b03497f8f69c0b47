// Raw system calls: the runtime never goes through a libc name that interposition may have replaced,
// and never touches errno, because some of this runs where the thread pointer is in transit.
//
// Every call returns the kernel's result: a value >= 0, or the negated error number.
#pragma once

#include <linux/futex.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>

namespace vervet::sys {

inline long call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0,
                 long f = 0) {
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = f;
  long result;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}

template <typename T>
inline long word(T* pointer) {
  return reinterpret_cast<long>(pointer);
}

inline bool failed(long result) { return result < 0 && result >= -4095; }

// Sleeps while *address == expected; `until` is absolute CLOCK_MONOTONIC, null for ever.
inline long futex_wait(const void* address, uint32_t expected, const timespec* until = nullptr) {
  return call(SYS_futex, word(address), FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, expected,
              word(until), 0, static_cast<long>(FUTEX_BITSET_MATCH_ANY));
}

inline long futex_wake(const void* address, int count) {
  return call(SYS_futex, word(address), FUTEX_WAKE | FUTEX_PRIVATE_FLAG, count);
}

inline void* map(void* where, size_t size, int protection, int flags) {
  long result = call(SYS_mmap, word(where), static_cast<long>(size), protection, flags, -1, 0);
  return failed(result) ? nullptr : reinterpret_cast<void*>(result);
}
inline long unmap(void* where, size_t size) {
  return call(SYS_munmap, word(where), static_cast<long>(size));
}
inline long advise(void* where, size_t size, int advice) {
  return call(SYS_madvise, word(where), static_cast<long>(size), advice);
}

inline long read(int fd, void* buffer, size_t size) {
  return call(SYS_read, fd, word(buffer), static_cast<long>(size));
}
inline long write(int fd, const void* buffer, size_t size) {
  return call(SYS_write, fd, word(buffer), static_cast<long>(size));
}
inline long close(int fd) { return call(SYS_close, fd); }
inline long getpid() { return call(SYS_getpid); }
inline long gettid() { return call(SYS_gettid); }

// At most 15 characters: what `ps -L` and `top -H` show of the calling kernel thread.
inline void name_thread(const char* name) {
  constexpr int set_name = 15;  // PR_SET_NAME
  call(SYS_prctl, set_name, word(name));
}

// Moves a descriptor of ours to a high number, out of the way of programs that count on the lowest ones.
// Not higher than an fd_set reaches: the kernel's table grows to the highest number, fork copies it,
// and select() reads as much of the program's sets as the table is long.
inline int move_high(int fd) {
  constexpr int duplicate_cloexec = 1030;  // F_DUPFD_CLOEXEC
  constexpr int highest_wish = 512;
  for (int from = highest_wish; from >= 256; from /= 2) {
    long moved = call(SYS_fcntl, fd, duplicate_cloexec, from);
    if (moved < 0) continue;
    close(fd);
    return static_cast<int>(moved);
  }
  return fd;
}

inline long epoll_create() { return call(SYS_epoll_create1, EPOLL_CLOEXEC); }
inline long epoll_ctl(int epfd, int op, int fd, epoll_event* event) {
  return call(SYS_epoll_ctl, epfd, op, fd, word(event));
}
// The nanosecond form: millisecond timeouts would round every deadline up or spin below it.
inline long epoll_wait(int epfd, epoll_event* events, int capacity, const timespec* timeout) {
  long result = call(SYS_epoll_pwait2, epfd, word(events), capacity, word(timeout), 0, 8);
  if (result != -ENOSYS) [[likely]]
    return result;
  // Valgrind does not know it, nor do kernels before 5.11. Rounded up, and no longer than an int has
  // room for: who wakes too early looks and waits again.
  long ms = -1;
  constexpr long longest_s = 1'000'000;
  if (timeout != nullptr && timeout->tv_sec >= longest_s)
    ms = longest_s * 1000;
  else if (timeout != nullptr)
    ms = timeout->tv_sec * 1000 + (timeout->tv_nsec + 999'999) / 1'000'000;
  return call(SYS_epoll_pwait, epfd, word(events), capacity, ms, 0, 8);
}

[[noreturn]] inline void exit_thread() {
  for (;;) call(SYS_exit, 0);
}

}  // namespace vervet::sys
