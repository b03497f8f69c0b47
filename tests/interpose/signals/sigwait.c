// Signals received by waiting: sigwait, sigwaitinfo and sigtimedwait in a thread of their own, as
// MariaDB and others have it, while the rest of the program works.
#include "../check.h"

static sigset_t watched;
static int received, ends[2];

static void* receive_all(void* unused) {
  for (;;) {
    int number;
    CHECK_OK(sigwait(&watched, &number));
    if (number == SIGTERM) return unused;
    __atomic_add_fetch(&received, 1, __ATOMIC_SEQ_CST);
    CHECK(write(ends[1], "r", 1) == 1);
  }
}
static void* receive_info(void* unused) {
  siginfo_t info;
  const int number = sigwaitinfo(&watched, &info);
  say("sigwaitinfo: SIG%s, code %s, value %d", sigabbrev_np(number),
      info.si_code == SI_QUEUE ? "queue" : "other", info.si_value.sival_int);
  FACT("  from this process", info.si_pid == getpid() && info.si_uid == getuid());
  return unused;
}
static void* receive_directed(void* unused) {
  int number;
  CHECK_OK(sigwait(&watched, &number));
  say("directed at the thread: SIG%s", sigabbrev_np(number));
  return unused;
}

int main(void) {
  char byte;
  CHECK(pipe(ends) == 0);
  sigemptyset(&watched);
  sigaddset(&watched, SIGUSR1);
  sigaddset(&watched, SIGUSR2);
  sigaddset(&watched, SIGTERM);
  CHECK_OK(pthread_sigmask(SIG_BLOCK, &watched, NULL));
  pthread_t thread = start(receive_all, NULL);
  for (int i = 0; i < 20; ++i) {
    CHECK(kill(getpid(), i % 2 ? SIGUSR1 : SIGUSR2) == 0);
    // One at a time: standard signals do not queue.
    CHECK(read(ends[0], &byte, 1) == 1);
  }
  CHECK(kill(getpid(), SIGTERM) == 0);
  join(thread);
  say("received by sigwait: %d", received);

  thread = start(receive_info, NULL);
  settle();
  CHECK(sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 42}) == 0);
  join(thread);
  thread = start(receive_directed, NULL);
  CHECK_OK(pthread_kill(thread, SIGUSR2));
  join(thread);

  siginfo_t info;
  struct timespec limit = {0, 60000000};
  const long long began = now_ms();
  const int result = sigtimedwait(&watched, &info, &limit);
  FACT("sigtimedwait in vain: EAGAIN", result == -1 && errno == EAGAIN);
  FACT("  after at least 60 ms", now_ms() - began >= 59);
  CHECK(kill(getpid(), SIGUSR1) == 0);
  limit.tv_sec = 9;
  say("sigtimedwait of a pending one: SIG%s", sigabbrev_np(sigtimedwait(&watched, &info, &limit)));
  limit = (struct timespec){0, 0};
  FACT("polling with nothing pending: EAGAIN",
       sigtimedwait(&watched, NULL, &limit) == -1 && errno == EAGAIN);

  // Real-time signals queue, lowest number first.
  sigset_t queue;
  sigemptyset(&queue);
  for (int i = 0; i < 3; ++i) sigaddset(&queue, SIGRTMIN + 5 + i);
  CHECK_OK(pthread_sigmask(SIG_BLOCK, &queue, NULL));
  for (int i = 2; i >= 0; --i)
    for (int value = 0; value < 2; ++value)
      CHECK(sigqueue(getpid(), SIGRTMIN + 5 + i, (union sigval){.sival_int = value}) == 0);
  for (int i = 0; i < 6; ++i) {
    const int number = sigwaitinfo(&queue, &info);
    say("queued: SIGRTMIN+%d, value %d", number - SIGRTMIN, info.si_value.sival_int);
  }
  return 0;
}
