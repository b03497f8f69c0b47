// System calls that move data, as libc makes them: -1 and errno. Not for direct use.
//
// libc makes cancellation points of them: in a process with threads that costs some hundred
// instructions a call, four of them locked. Under a sanitizer they are libc's, which it knows.
#pragma once

#include <cerrno>
#include <cstddef>

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define VERVET_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer) || \
    __has_feature(memory_sanitizer)
#define VERVET_SANITIZED 1
#endif
#endif

namespace vervet::detail {

#if defined(__x86_64__) && !defined(VERVET_SANITIZED)

inline ssize_t system_call(long number, int fd, const void* data, std::size_t size,
                           long flags) noexcept {
  register long fourth asm("r10") = flags;
  register long no_address asm("r8") = 0;
  register long no_size asm("r9") = 0;
  long result;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(static_cast<long>(fd)), "S"(data), "d"(size), "r"(fourth),
                 "r"(no_address), "r"(no_size)
               : "rcx", "r11", "memory");
  if (static_cast<unsigned long>(result) <= -4096ul) [[likely]]
    return result;
  errno = static_cast<int>(-result);
  return -1;
}

inline ssize_t receive(int fd, void* to, std::size_t size, int flags) noexcept {
  return system_call(SYS_recvfrom, fd, to, size, flags);
}
inline ssize_t send(int fd, const void* from, std::size_t size, int flags) noexcept {
  return system_call(SYS_sendto, fd, from, size, flags);
}
inline ssize_t read(int fd, void* to, std::size_t size) noexcept {
  return system_call(SYS_read, fd, to, size, 0);
}
inline ssize_t write(int fd, const void* from, std::size_t size) noexcept {
  return system_call(SYS_write, fd, from, size, 0);
}

#else

inline ssize_t receive(int fd, void* to, std::size_t size, int flags) noexcept {
  return ::recv(fd, to, size, flags);
}
inline ssize_t send(int fd, const void* from, std::size_t size, int flags) noexcept {
  return ::send(fd, from, size, flags);
}
inline ssize_t read(int fd, void* to, std::size_t size) noexcept { return ::read(fd, to, size); }
inline ssize_t write(int fd, const void* from, std::size_t size) noexcept {
  return ::write(fd, from, size);
}

#endif

}  // namespace vervet::detail

#undef VERVET_SANITIZED
