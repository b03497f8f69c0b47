// 200 threads hammer shared mutexes, reader-writer locks, semaphores, a bounded queue and sockets
// for N seconds; in the end every count must agree.
// oracle: args=3 threads-over-workers=2 timeout=90
#include "../check.h"

#include <semaphore.h>
#include <sys/socket.h>

enum { lockers = 100, queuers = 50, talkers = 50, locks = 8, capacity = 16 };
static int stop;
static pthread_mutex_t mutexes[locks];
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static sem_t slots;
static long guarded[locks], written, in_slots, rounds_in_all;
static pthread_mutex_t queue_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_full = PTHREAD_COND_INITIALIZER, not_empty = PTHREAD_COND_INITIALIZER;
static int queue[capacity], head, size;
static long put_sum, got_sum, sent, echoed;
static int pairs[talkers / 2][2], broken;

static int stopped(void) { return __atomic_load_n(&stop, __ATOMIC_RELAXED); }
static void tally(long* where, long value) { __atomic_add_fetch(where, value, __ATOMIC_RELAXED); }
static unsigned int next_random(unsigned int* seed) {
  return (*seed = *seed * 1103515245 + 12345) >> 16;
}

static void* lock_often(void* argument) {
  unsigned int seed = (unsigned int)(long)argument + 1;
  long rounds = 0;
  for (; !stopped(); ++rounds) {
    const unsigned int choice = next_random(&seed) % locks;
    CHECK_OK(pthread_mutex_lock(&mutexes[choice]));
    const long seen = guarded[choice];
    if (rounds % 64 == 0) usleep(50);
    guarded[choice] = seen + 1;
    CHECK_OK(pthread_mutex_unlock(&mutexes[choice]));
    if (rounds % 4 == 0) {
      CHECK_OK(pthread_rwlock_wrlock(&rwlock));
      ++written;
    } else {
      CHECK_OK(pthread_rwlock_rdlock(&rwlock));
    }
    CHECK_OK(pthread_rwlock_unlock(&rwlock));
    CHECK(sem_wait(&slots) == 0);
    if (__atomic_add_fetch(&in_slots, 1, __ATOMIC_SEQ_CST) > 3) broken = 1;
    sched_yield();
    __atomic_sub_fetch(&in_slots, 1, __ATOMIC_SEQ_CST);
    CHECK(sem_post(&slots) == 0);
  }
  tally(&rounds_in_all, rounds);
  // Writes of this thread, to be compared with all.
  return (void*)((rounds + 3) / 4);
}

static void put(int item) {
  CHECK_OK(pthread_mutex_lock(&queue_mutex));
  while (size == capacity) CHECK_OK(pthread_cond_wait(&not_full, &queue_mutex));
  queue[(head + size++) % capacity] = item;
  CHECK_OK(pthread_cond_signal(&not_empty));
  CHECK_OK(pthread_mutex_unlock(&queue_mutex));
}
static int get(void) {
  CHECK_OK(pthread_mutex_lock(&queue_mutex));
  while (size == 0) CHECK_OK(pthread_cond_wait(&not_empty, &queue_mutex));
  const int item = queue[head];
  head = (head + 1) % capacity;
  --size;
  CHECK_OK(pthread_cond_signal(&not_full));
  CHECK_OK(pthread_mutex_unlock(&queue_mutex));
  return item;
}
static void* produce_or_consume(void* argument) {
  unsigned int seed = (unsigned int)(long)argument + 1;
  long sum = 0;
  if ((long)argument % 2) {
    for (int item; (item = get()) != 0;) sum += item;
    tally(&got_sum, sum);
    return NULL;
  }
  while (!stopped()) {
    const int item = 1 + (int)next_random(&seed) % 1000;
    put(item);
    sum += item;
  }
  // One end mark for each producer: one for each consumer.
  put(0);
  tally(&put_sum, sum);
  return NULL;
}

static void* talk(void* argument) {
  const long me = (long)argument;
  const int fd = pairs[me / 2][me % 2];
  unsigned int seed = (unsigned int)me + 1;
  char message[2000], answer[2000];
  long bytes = 0;
  if (me % 2) {
    for (ssize_t got; (got = recv(fd, message, sizeof message, 0)) > 0; bytes += got)
      CHECK(send(fd, message, (size_t)got, 0) == got);
    tally(&echoed, bytes);
    return NULL;
  }
  while (!stopped()) {
    const size_t length = 1 + next_random(&seed) % sizeof message;
    memset(message, (int)seed, length);
    CHECK(send(fd, message, length, 0) == (ssize_t)length);
    CHECK(recv(fd, answer, length, MSG_WAITALL) == (ssize_t)length);
    if (memcmp(message, answer, length) != 0) broken = 1;
    bytes += (long)length;
  }
  CHECK(shutdown(fd, SHUT_WR) == 0);
  tally(&sent, bytes);
  return NULL;
}

int main(int count, char** arguments) {
  const int seconds = count > 1 ? atoi(arguments[1]) : 3;
  pthread_t all[lockers + queuers + talkers];
  int made = 0;
  long writes = 0, in_mutexes = 0;
  CHECK(sem_init(&slots, 0, 3) == 0);
  for (int i = 0; i < locks; ++i) CHECK_OK(pthread_mutex_init(&mutexes[i], NULL));
  for (int i = 0; i < talkers / 2; ++i) CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]) == 0);
  for (long i = 0; i < lockers; ++i) all[made++] = start(lock_often, (void*)i);
  for (long i = 0; i < queuers; ++i) all[made++] = start(produce_or_consume, (void*)i);
  for (long i = 0; i < talkers; ++i) all[made++] = start(talk, (void*)i);
  sleep((unsigned int)seconds);
  __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
  for (int i = 0; i < made; ++i) writes += (long)join(all[i]);
  for (int i = 0; i < locks; ++i) in_mutexes += guarded[i];
  say("threads: %d", made);
  FACT("rounds counted under the mutexes", in_mutexes == rounds_in_all && rounds_in_all > 0);
  FACT("writes counted under the lock", writes == written);
  FACT("queued items all arrived", put_sum == got_sum && put_sum > 0 && size == 0);
  FACT("bytes sent were echoed", sent == echoed && sent > 0);
  FACT("no mix-up", !broken);
  return 0;
}
