// Cancelling threads that block: each call is a cancellation point and runs the cleanup handlers.
#include "../check.h"

#include <netinet/in.h>
#include <poll.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>

static int ends[2], pair[2], listener, epoll, cleaned;
static sem_t never;
static char byte;

static void call_read(void) { CHECK(read(ends[0], &byte, 1) == 1); }
static void call_recv(void) { CHECK(recv(pair[0], &byte, 1, 0) == 1); }
static void call_recvmsg(void) {
  struct iovec part = {&byte, 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  CHECK(recvmsg(pair[0], &message, 0) == 1);
}
static void call_accept(void) { CHECK(accept(listener, NULL, NULL) >= 0); }
static void call_poll(void) {
  struct pollfd one = {ends[0], POLLIN, 0};
  CHECK(poll(&one, 1, -1) == 1);
}
static void call_select(void) {
  fd_set readable;
  FD_ZERO(&readable);
  FD_SET(ends[0], &readable);
  CHECK(select(ends[0] + 1, &readable, NULL, NULL, NULL) == 1);
}
static void call_epoll_wait(void) {
  struct epoll_event event;
  CHECK(epoll_wait(epoll, &event, 1, -1) == 1);
}
static void call_sem_wait(void) { CHECK(sem_wait(&never) == 0); }
static void call_sleep(void) { sleep(1000); }
static void call_usleep(void) { usleep(999000000); }
static void call_nanosleep(void) {
  const struct timespec long_time = {1000, 0};
  nanosleep(&long_time, NULL);
}
static void call_clock_nanosleep(void) {
  const struct timespec late = after_ms(CLOCK_MONOTONIC, 1000000);
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &late, NULL);
}
static void call_pause(void) { pause(); }
static void call_sigwait(void) {
  sigset_t set;
  int number;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  sigwait(&set, &number);
}

static void count(void* unused) {
  (void)unused;
  ++cleaned;
}

static void* run(void* call) {
  pthread_cleanup_push(count, NULL);
  pthread_cleanup_push(count, NULL);
  (*(void (**)(void))call)();
  pthread_cleanup_pop(0);
  pthread_cleanup_pop(0);
  return NULL;
}

static void cancel_in(const char* name, void (*call)(void)) {
  // Once blocked in it for certain, or nearly so, and once pending before the call.
  for (int blocked = 0; blocked < 2; ++blocked) {
    cleaned = 0;
    const pthread_t thread = start(run, &call);
    if (blocked) settle();
    CHECK_OK(pthread_cancel(thread));
    const int cancelled = join(thread) == PTHREAD_CANCELED;
    CHECK(cancelled && cleaned == 2);
  }
  say("%s: cancelled, both handlers ran", name);
}

int main(void) {
  CHECK(pipe(ends) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  listener = socket(AF_INET, SOCK_STREAM, 0);
  CHECK(listener >= 0 && listen(listener, 5) == 0);
  epoll = epoll_create1(0);
  CHECK(epoll >= 0 && sem_init(&never, 0, 0) == 0);
  // The threads inherit it, and sigwait needs it blocked.
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  CHECK_OK(pthread_sigmask(SIG_BLOCK, &set, NULL));
  cancel_in("read", call_read);
  cancel_in("recv", call_recv);
  cancel_in("recvmsg", call_recvmsg);
  cancel_in("accept", call_accept);
  cancel_in("poll", call_poll);
  cancel_in("select", call_select);
  cancel_in("epoll_wait", call_epoll_wait);
  cancel_in("sem_wait", call_sem_wait);
  cancel_in("sleep", call_sleep);
  cancel_in("usleep", call_usleep);
  cancel_in("nanosleep", call_nanosleep);
  cancel_in("clock_nanosleep", call_clock_nanosleep);
  cancel_in("pause", call_pause);
  cancel_in("sigwait", call_sigwait);
  CHECK(write(ends[1], "x", 1) == 1 && read(ends[0], &byte, 1) == 1);
  say("the descriptors still work");
  return 0;
}
