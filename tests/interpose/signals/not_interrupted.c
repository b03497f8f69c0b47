// What no handler interrupts: mutexes, conditions, joins, barriers; ignored signals interrupt
// nothing; a transfer that has begun is counted.
#include "../sockets/net.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static int handled, on, finished, pair[2];
static pthread_t other;

static void count(int number) {
  (void)number;
  __atomic_add_fetch(&handled, 1, __ATOMIC_SEQ_CST);
}
static void* lock(void* unused) {
  CHECK_OK(pthread_mutex_lock(&mutex));
  ++finished;
  CHECK_OK(pthread_mutex_unlock(&mutex));
  return unused;
}
static void* wait_for_it(void* unused) {
  CHECK_OK(pthread_mutex_lock(&mutex));
  while (!on) CHECK_OK(pthread_cond_wait(&cond, &mutex));
  ++finished;
  CHECK_OK(pthread_mutex_unlock(&mutex));
  return unused;
}
static void* meet(void* unused) {
  pthread_barrier_wait(&barrier);
  return unused;
}
static void* join_other(void* unused) {
  CHECK_OK(pthread_join(other, NULL));
  return unused;
}
static void* receive(void* wanted) {
  char buffer[100];
  return (void*)(long)recv(pair[0], buffer, (size_t)(long)wanted, MSG_WAITALL);
}

static void poke(pthread_t thread) {
  for (int i = 0; i < 10; ++i) {
    CHECK_OK(pthread_kill(thread, SIGUSR1));
    breathe();
  }
}

int main(void) {
  handle(SIGUSR1, count, 0);
  CHECK_OK(pthread_barrier_init(&barrier, NULL, 2));
  CHECK_OK(pthread_mutex_lock(&mutex));
  pthread_t thread = start(lock, NULL);
  poke(thread);
  FACT("a mutex: waits on", finished == 0);
  CHECK_OK(pthread_mutex_unlock(&mutex));
  join(thread);

  thread = start(wait_for_it, NULL);
  poke(thread);
  CHECK_OK(pthread_mutex_lock(&mutex));
  FACT("a condition: waits on, or wakes and looks again", finished == 1);
  on = 1;
  CHECK_OK(pthread_cond_signal(&cond));
  CHECK_OK(pthread_mutex_unlock(&mutex));
  join(thread);

  thread = start(meet, NULL);
  poke(thread);
  FACT("a barrier: waits on", pthread_tryjoin_np(thread, NULL) == EBUSY);
  pthread_barrier_wait(&barrier);
  join(thread);

  other = start(meet, NULL);
  thread = start(join_other, NULL);
  poke(thread);
  FACT("a join: waits on", pthread_tryjoin_np(thread, NULL) == EBUSY);
  pthread_barrier_wait(&barrier);
  join(thread);
  FACT("the handler ran in each of them", __atomic_load_n(&handled, __ATOMIC_SEQ_CST) >= 4);

  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  thread = start(receive, (void*)10L);
  CHECK(send(pair[1], "abc", 3, 0) == 3);
  int waiting = 1;
  while (waiting) {
    // Until the three are taken: only then is the receiver in the middle of its call.
    CHECK(ioctl(pair[0], FIONREAD, &waiting) == 0);
    breathe();
  }
  settle();
  poke(thread);
  say("MSG_WAITALL interrupted in the middle counts what came: %ld", (long)join(thread));

  signal(SIGUSR1, SIG_IGN);
  thread = start(receive, (void*)1L);
  poke(thread);
  FACT("an ignored signal interrupts nothing", pthread_tryjoin_np(thread, NULL) == EBUSY);
  CHECK(send(pair[1], "x", 1, 0) == 1);
  say("  and then: %ld", (long)join(thread));
  return 0;
}
