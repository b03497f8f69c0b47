// Signals without end while threads switch, lock, read and write: nothing is lost, nothing is
// interrupted that SA_RESTART restarts, every handler finds its thread's own variables.
#include "../check.h"

#include <sys/socket.h>
#include <sys/time.h>

enum { pairs = 20, rounds = 300 };
static __thread int me;
static __thread pthread_t myself;
static int confused, handled, sockets[pairs][2], counter;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_t all[2 * pairs];

static void look(int number) {
  const int saved = errno;
  (void)number;
  if (me > 0 && !pthread_equal(pthread_self(), myself))
    __atomic_add_fetch(&confused, 1, __ATOMIC_RELAXED);
  __atomic_add_fetch(&handled, 1, __ATOMIC_RELAXED);
  // A system call of its own, which fails.
  if (close(-1) == 0) __atomic_add_fetch(&confused, 1, __ATOMIC_RELAXED);
  errno = saved;
}

static void* bounce(void* argument) {
  const int mine = (int)(long)argument, fd = sockets[mine / 2][mine % 2];
  int ball = 0;
  // Not all[mine], which the creator may not have filled in yet.
  myself = pthread_self();
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  me = mine + 1;
  for (int i = 0; i < rounds; ++i) {
    if (mine % 2 == 0) CHECK(send(fd, &ball, sizeof ball, 0) == sizeof ball);
    CHECK(recv(fd, &ball, sizeof ball, MSG_WAITALL) == sizeof ball);
    ++ball;
    if (mine % 2) CHECK(send(fd, &ball, sizeof ball, 0) == sizeof ball);
    CHECK_OK(pthread_mutex_lock(&mutex));
    ++counter;
    CHECK_OK(pthread_mutex_unlock(&mutex));
  }
  return (void*)(long)ball;
}

int main(void) {
  const struct itimerval often = {{0, 500}, {0, 500}}, never = {{0, 0}, {0, 0}};
  handle(SIGALRM, look, SA_RESTART);
  handle(SIGUSR1, look, SA_RESTART);
  for (int i = 0; i < pairs; ++i) CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets[i]) == 0);
  CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
  for (long i = 0; i < 2 * pairs; ++i) all[i] = start(bounce, (void*)i);
  for (int i = 0; i < 500; ++i) {
    CHECK_OK(pthread_kill(all[i % (2 * pairs)], SIGUSR1));
    if (i % 20 == 0) usleep(500);
  }
  int balls = 0;
  for (int i = 0; i < 2 * pairs; ++i) balls += (int)(long)join(all[i]);
  CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
  say("counter %d, balls %d, confused handlers %d", counter, balls, confused);
  FACT("many signals were handled", handled > 50);
  return 0;
}
