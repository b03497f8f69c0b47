// epoll_wait, epoll_pwait and epoll_pwait2: times, masks, interruption.
#include "../check.h"

#include <sys/epoll.h>

static int epoll;
static volatile sig_atomic_t handled, done;
static struct epoll_event got[4];

static void count(int number) {
  (void)number;
  ++handled;
}

static void timed(const char* name, int result, long long began) {
  const long long took = now_ms() - began;
  say("%s: %d", name, result);
  FACT("  took 60 ms and below 5 s", took >= 59 && took < 5000);
}

static void* wait_interrupted(void* mask) {
  const int result = epoll_pwait(epoll, got, 4, -1, mask);
  const int error = errno;
  done = 1;
  say("interrupted: %d %s", result, error_name(error));
  return NULL;
}

static void poke_until_done(pthread_t thread) {
  while (!done) {
    CHECK_OK(pthread_kill(thread, SIGUSR1));
    breathe();
  }
  join(thread);
  done = 0;
}

int main(void) {
  const struct timespec limit = {0, 60000000}, bad = {0, 1000000000};
  sigset_t none, usr1;
  sigemptyset(&none);
  sigemptyset(&usr1);
  sigaddset(&usr1, SIGUSR1);
  epoll = epoll_create1(0);
  CHECK(epoll >= 0);
  long long began = now_ms();
  timed("epoll_wait", epoll_wait(epoll, got, 4, 60), began);
  began = now_ms();
  timed("epoll_pwait", epoll_pwait(epoll, got, 4, 60, NULL), began);
  began = now_ms();
  timed("epoll_pwait2", epoll_pwait2(epoll, got, 4, &limit, NULL), began);
  FACT("a bad time: EINVAL", epoll_pwait2(epoll, got, 4, &bad, NULL) == -1 && errno == EINVAL);

  handle(SIGUSR1, count, SA_RESTART);
  poke_until_done(start(wait_interrupted, NULL));
  // Blocked in the thread, unblocked by the wait's own mask: only the wait is interrupted.
  CHECK_OK(pthread_sigmask(SIG_BLOCK, &usr1, NULL));
  poke_until_done(start(wait_interrupted, &none));
  handled = 0;
  CHECK(raise(SIGUSR1) == 0);
  FACT("blocked: not handled yet", handled == 0);
  const int result = epoll_pwait(epoll, got, 4, 9000, &none);
  FACT("pending, unblocked by the mask: EINTR at once", result == -1 && errno == EINTR);
  say("handled: %d", (int)handled);
  sigset_t now;
  CHECK_OK(pthread_sigmask(SIG_SETMASK, NULL, &now));
  FACT("the old mask is back", sigismember(&now, SIGUSR1) == 1);
  // The other way round: the wait's mask blocks.
  CHECK_OK(pthread_sigmask(SIG_UNBLOCK, &usr1, NULL));
  began = now_ms();
  timed("a wait whose mask blocks it all", epoll_pwait(epoll, got, 4, 60, &usr1), began);
  return 0;
}
