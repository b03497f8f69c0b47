// What the oracle programs share. Each program here is ordinary C or C++ that knows nothing of
// vervet; tests/oracle runs it natively and under vervet and compares. A program
//  - prints facts, one a line, each true natively: FACT("recv returned EAGAIN", errno == EAGAIN);
//  - fails loudly where it cannot go on: CHECK(fd >= 0);
//  - never takes the passing of time for synchronisation (settle() only makes an order likely).
// Include it first: it asks libc for everything it has.
#ifndef CHECK_H
#define CHECK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define CHECK(condition)                                            \
  do {                                                              \
    if (!(condition)) check_failed(__FILE__, __LINE__, #condition); \
  } while (0)

// For the pthread family, which returns the error number.
#define CHECK_OK(call)                         \
  do {                                         \
    const int check_error = (call);            \
    if (check_error != 0) {                    \
      errno = check_error;                     \
      check_failed(__FILE__, __LINE__, #call); \
    }                                          \
  } while (0)

// A fact is true natively: the runner refuses a native "no".
#define FACT(sentence, truth) say("%s: %s", sentence, (truth) ? "yes" : "no")

static inline __attribute__((noreturn)) void check_failed(const char* file, int line,
                                                          const char* what) {
  const int error = errno;
  fprintf(stderr, "%s:%d: not so: %s (errno %s)\n", file, line, what, strerrorname_np(error));
  fflush(stdout);
  abort();
}

// Flushed at once, so that a forked child does not print its parent's lines a second time.
static inline __attribute__((format(printf, 1, 2))) void say(const char* format, ...) {
  char line[512];
  va_list arguments;
  va_start(arguments, format);
  const int length = vsnprintf(line, sizeof line - 1, format, arguments);
  va_end(arguments);
  CHECK(length >= 0 && length < (int)sizeof line - 1);
  line[length] = '\n';
  fwrite(line, 1, (size_t)length + 1, stdout);
  fflush(stdout);
}

// "EAGAIN" for EAGAIN, "0" for 0.
static inline const char* error_name(int error) {
  const char* name = strerrorname_np(error);
  return name ? name : "?";
}

static inline long long now_ms(void) {
  struct timespec now;
  CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
  return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

// An absolute point on `clock`, `ms` from now (may be negative).
static inline struct timespec after_ms(clockid_t clock, long ms) {
  struct timespec point;
  CHECK(clock_gettime(clock, &point) == 0);
  const long long ns = point.tv_nsec + (ms % 1000) * 1000000LL;
  point.tv_sec += ms / 1000 + (ns >= 1000000000) - (ns < 0);
  point.tv_nsec = (ns + 1000000000) % 1000000000;
  return point;
}

// Time for other threads to reach their blocking call. No fact may need it: where the order
// matters, the program must come to the same facts in either order.
static inline void settle(void) {
  const struct timespec pause = {0, 20 * 1000000};
  nanosleep(&pause, NULL);
}

// One step of a loop that waits for something the program cannot wait for directly.
static inline void breathe(void) {
  const struct timespec pause = {0, 1000000};
  nanosleep(&pause, NULL);
}

static inline pthread_t start(void* (*body)(void*), void* argument) {
  pthread_t thread;
  CHECK_OK(pthread_create(&thread, NULL, body, argument));
  return thread;
}

static inline void* join(pthread_t thread) {
  void* result = NULL;
  CHECK_OK(pthread_join(thread, &result));
  return result;
}

// Installs `handler` for `number` with `flags`, and nothing in the handler's mask.
static inline void handle(int number, void (*handler)(int), int flags) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = handler;
  action.sa_flags = flags;
  CHECK(sigaction(number, &action, NULL) == 0);
}

// How a child ended, said by itself: prints "<who>: exit 0" or "<who>: signal SIGABRT".
static inline void say_status(const char* who, int status) {
  if ((status & 0x7f) == 0)
    say("%s: exit %d", who, (status >> 8) & 0xff);
  else
    say("%s: signal SIG%s", who, sigabbrev_np(status & 0x7f));
}

#endif
