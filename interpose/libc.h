// Every libc header whose functions we replace, and declarations of the exported names that no header
// declares: fortified twins, double-underscore aliases, liburing's.
#pragma once

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
// The replaced names must be plain declarations here, not fortified inline ones.
#undef _FORTIFY_SOURCE
// To replace a deprecated function is not to use it.
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/fsuid.h>
#include <sys/io.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <spawn.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

extern "C" {
int __libc_start_main(int (*main)(int, char**, char**), int argc, char** argv, void (*init)(),
                      void (*fini)(), void (*rtld_fini)(), void* stack_end);
ssize_t __read_chk(int fd, void* buffer, size_t size, size_t room);
ssize_t __recv_chk(int fd, void* buffer, size_t size, size_t room, int flags);
ssize_t __recvfrom_chk(int fd, void* buffer, size_t size, size_t room, int flags,
                       struct sockaddr* from, socklen_t* from_size);
int __poll_chk(struct pollfd* fds, nfds_t count, int timeout, size_t room);
int __ppoll_chk(struct pollfd* fds, nfds_t count, const struct timespec* timeout,
                const sigset_t* mask, size_t room);
int __open_2(const char* path, int flags);
int __openat_2(int directory, const char* path, int flags);
[[noreturn]] void __chk_fail();
sighandler_t __sysv_signal(int number, sighandler_t handler) noexcept;
int __sigpause(int signal_or_mask, int is_signal);
int __xpg_sigpause(int number);
int __register_atfork(void (*before)(), void (*parent)(), void (*child)(), void* library);
int capset(void* header, const void* data) noexcept;
struct io_uring;
struct io_uring_cqe;
struct io_uring_params;
int io_uring_queue_init(unsigned entries, struct io_uring* ring, unsigned flags);
int io_uring_queue_init_params(unsigned entries, struct io_uring* ring,
                               struct io_uring_params* params);
int __io_uring_get_cqe(struct io_uring* ring, struct io_uring_cqe** found, unsigned submit,
                       unsigned count, sigset_t* mask);
void __longjmp_chk(struct __jmp_buf_tag* buffer, int value) noexcept __attribute__((noreturn));
}
