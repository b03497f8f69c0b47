// A thread that was woken starts while the one that woke it computes, also after a long time in which
// whoever was woken came to its turn at once.
#include "../check.h"

#include <semaphore.h>

enum { rounds = 3, turns = 200, computing_ms = 600, late_ms = 300 };
static sem_t ask, answer;
static long long started;

static void* answer_all(void* unused) {
  for (int i = 0; i < rounds * (turns + 1); ++i) {
    while (sem_wait(&ask) != 0) continue;
    __atomic_store_n(&started, now_ms(), __ATOMIC_RELAXED);
    CHECK_OK(sem_post(&answer));
  }
  return unused;
}

static void compute(void) {
  for (const long long until = now_ms() + computing_ms; now_ms() < until;) continue;
}

int main(void) {
  CHECK(sem_init(&ask, 0, 0) == 0 && sem_init(&answer, 0, 0) == 0);
  const pthread_t other = start(answer_all, NULL);
  int in_time = 1;
  for (int round = 0; round < rounds; ++round) {
    for (int i = 0; i < turns; ++i) {
      usleep(200);
      CHECK_OK(sem_post(&ask));
      CHECK_OK(sem_wait(&answer));
    }
    const long long woken = now_ms();
    CHECK_OK(sem_post(&ask));
    compute();
    CHECK_OK(sem_wait(&answer));
    in_time &= __atomic_load_n(&started, __ATOMIC_RELAXED) - woken < late_ms;
  }
  join(other);
  FACT("it started while the other computed", in_time);
  return 0;
}
