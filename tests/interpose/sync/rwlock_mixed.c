// Readers and writers in a crowd: a reader never sees a half-done write, no writer is lost. Both
// preferences, because they wake differently.
#include "../check.h"

enum { writers = 6, readers = 24, rounds = 40 };
static pthread_rwlock_t lock;
static volatile long left, right;
static long torn;

static void* write_often(void* unused) {
  for (int i = 0; i < rounds; ++i) {
    CHECK_OK(pthread_rwlock_wrlock(&lock));
    ++left;
    if (i % 8 == 0)
      usleep(200);
    else
      sched_yield();
    ++right;
    CHECK_OK(pthread_rwlock_unlock(&lock));
  }
  return unused;
}
static void* read_often(void* unused) {
  for (int i = 0; i < rounds; ++i) {
    CHECK_OK(pthread_rwlock_rdlock(&lock));
    const long seen = left;
    if (i % 16 == 0) usleep(100);
    if (seen != right || seen != left) __atomic_add_fetch(&torn, 1, __ATOMIC_RELAXED);
    CHECK_OK(pthread_rwlock_unlock(&lock));
  }
  return unused;
}

static void exercise(const char* name, int preference) {
  pthread_rwlockattr_t attributes;
  CHECK_OK(pthread_rwlockattr_init(&attributes));
  CHECK_OK(pthread_rwlockattr_setkind_np(&attributes, preference));
  CHECK_OK(pthread_rwlock_init(&lock, &attributes));
  left = right = 0;
  pthread_t all[writers + readers];
  for (int i = 0; i < writers + readers; ++i)
    all[i] = start(i % 5 == 0 ? write_often : read_often, NULL);
  for (int i = 0; i < writers + readers; ++i) join(all[i]);
  say("%s: %ld writes, %ld torn reads", name, left, torn);
  CHECK_OK(pthread_rwlock_destroy(&lock));
}

int main(void) {
  exercise("readers first", PTHREAD_RWLOCK_PREFER_READER_NP);
  exercise("writers first", PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
  return 0;
}
