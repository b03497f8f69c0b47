// The classic time limit: alarm, and siglongjmp out of the handler out of a blocking call. The
// descriptor, the thread and the other threads go on as if nothing had been.
#include "../check.h"

#include <setjmp.h>
#include <sys/socket.h>

static sigjmp_buf back;
static int pair[2], others[2], rounds;

static void jump(int number) {
  (void)number;
  siglongjmp(back, 1);
}
static void* echo(void* unused) {
  char byte;
  while (recv(others[0], &byte, 1, 0) == 1) CHECK(send(others[0], &byte, 1, 0) == 1);
  return unused;
}

int main(void) {
  sigset_t alarms;
  sigemptyset(&alarms);
  sigaddset(&alarms, SIGALRM);
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, others) == 0);
  handle(SIGALRM, jump, 0);
  // The alarm is main's: the thread blocks it.
  CHECK_OK(pthread_sigmask(SIG_BLOCK, &alarms, NULL));
  const pthread_t thread = start(echo, NULL);
  CHECK_OK(pthread_sigmask(SIG_UNBLOCK, &alarms, NULL));
  volatile int jumped = 0;
  char byte;
  for (volatile int i = 0; i < 20; ++i) {
    if (sigsetjmp(back, 1) == 0) {
      CHECK(ualarm(2000, 0) == 0);
      CHECK(recv(pair[0], &byte, 1, 0) == 1);
    } else {
      ++jumped;
    }
    CHECK(send(others[1], "x", 1, 0) == 1 && recv(others[1], &byte, 1, 0) == 1);
    ++rounds;
  }
  say("jumped out %d times, %d echoes between", (int)jumped, rounds);
  CHECK(send(pair[1], "y", 1, 0) == 1);
  say("and the descriptor reads: %d", recv(pair[0], &byte, 1, 0) == 1 && byte == 'y');
  CHECK(shutdown(others[1], SHUT_RDWR) == 0);
  join(thread);
  return 0;
}
