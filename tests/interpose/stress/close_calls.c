// Timeouts that race with what is waited for: whoever wins, no token, byte or wake is lost or
// doubled.
// oracle: args=2 threads-over-workers=2
#include "../check.h"

#include <poll.h>
#include <semaphore.h>
#include <sys/socket.h>
#include <sys/time.h>

enum { pairs = 20 };
static int stop;
static long given[3], taken[3];
static sem_t sems[pairs];
static int sockets[pairs][2];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turned = PTHREAD_COND_INITIALIZER;
static long tokens;

static int stopped(void) { return __atomic_load_n(&stop, __ATOMIC_RELAXED); }
static void tally(long* where, long value) { __atomic_add_fetch(where, value, __ATOMIC_RELAXED); }
static struct timespec after_us(clockid_t clock, long us) {
  struct timespec point;
  CHECK(clock_gettime(clock, &point) == 0);
  point.tv_nsec += us * 1000;
  if (point.tv_nsec >= 1000000000) point.tv_nsec -= 1000000000, ++point.tv_sec;
  return point;
}

static void* give(void* argument) {
  const long me = (long)argument;
  long count = 0;
  for (; !stopped(); ++count) {
    usleep((useconds_t)(100 + (me * 37 + count * 61) % 200));
    CHECK(sem_post(&sems[me]) == 0);
    CHECK(send(sockets[me][1], "x", 1, 0) == 1);
    CHECK_OK(pthread_mutex_lock(&mutex));
    ++tokens;
    CHECK_OK(pthread_cond_signal(&turned));
    CHECK_OK(pthread_mutex_unlock(&mutex));
  }
  for (int kind = 0; kind < 3; ++kind) tally(&given[kind], count);
  CHECK(shutdown(sockets[me][1], SHUT_WR) == 0);
  return NULL;
}

static void* take_from_sem(void* argument) {
  const long me = (long)argument;
  long count = 0;
  while (!stopped()) {
    const struct timespec soon = after_us(CLOCK_REALTIME, 100 + count % 150);
    if (sem_timedwait(&sems[me], &soon) == 0)
      ++count;
    else
      CHECK(errno == ETIMEDOUT);
  }
  tally(&taken[0], count);
  return NULL;
}
static void* take_from_socket(void* argument) {
  const long me = (long)argument;
  const struct timeval limit = {0, 150};
  long count = 0;
  CHECK(setsockopt(sockets[me][0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
  for (;;) {
    char byte;
    // Every other time by poll, whose limit is coarser.
    struct pollfd one = {sockets[me][0], POLLIN, 0};
    const struct timespec soon = {0, 150000};
    if (count % 2 && ppoll(&one, 1, &soon, NULL) == 0) continue;
    const ssize_t got = recv(sockets[me][0], &byte, 1, 0);
    if (got == 0) break;
    if (got == 1)
      ++count;
    else
      CHECK(errno == EAGAIN);
  }
  tally(&taken[1], count);
  return NULL;
}
static void* take_token(void* unused) {
  long count = 0;
  while (!stopped()) {
    const struct timespec soon = after_us(CLOCK_MONOTONIC, 100);
    CHECK_OK(pthread_mutex_lock(&mutex));
    if (tokens == 0) {
      const int error = pthread_cond_clockwait(&turned, &mutex, CLOCK_MONOTONIC, &soon);
      CHECK(error == 0 || error == ETIMEDOUT);
    }
    if (tokens > 0) --tokens, ++count;
    CHECK_OK(pthread_mutex_unlock(&mutex));
  }
  tally(&taken[2], count);
  return unused;
}

int main(int count, char** arguments) {
  void* (*const ways[4])(void*) = {give, take_from_sem, take_from_socket, take_token};
  pthread_t all[4 * pairs];
  for (int i = 0; i < pairs; ++i)
    CHECK(sem_init(&sems[i], 0, 0) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, sockets[i]) == 0);
  for (long i = 0; i < 4 * pairs; ++i) all[i] = start(ways[i % 4], (void*)(i / 4));
  sleep(count > 1 ? (unsigned int)atoi(arguments[1]) : 2);
  __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
  for (int i = 0; i < 4 * pairs; ++i) join(all[i]);
  long left = 0;
  for (int i = 0; i < pairs; ++i) {
    int value;
    CHECK(sem_getvalue(&sems[i], &value) == 0);
    left += value;
  }
  FACT("posts: taken or left", given[0] == taken[0] + left && taken[0] > 0);
  FACT("bytes: all taken", given[1] == taken[1] && taken[1] > 0);
  FACT("tokens: taken or left", given[2] == taken[2] + tokens && taken[2] > 0);
  return 0;
}
