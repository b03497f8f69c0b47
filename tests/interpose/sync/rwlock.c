// Reader-writer locks: readers together, a writer alone, tries and owners.
#include "../check.h"

enum { readers = 20 };
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t together;
static int written;

static void* read_together(void* unused) {
  CHECK_OK(pthread_rwlock_rdlock(&lock));
  pthread_barrier_wait(&together);
  CHECK_OK(pthread_rwlock_unlock(&lock));
  return unused;
}
static void* write_once(void* unused) {
  CHECK_OK(pthread_rwlock_wrlock(&lock));
  const int seen = written;
  usleep(500);
  written = seen + 1;
  CHECK_OK(pthread_rwlock_unlock(&lock));
  return unused;
}
static void* try_read(void* unused) {
  const int error = pthread_rwlock_tryrdlock(&lock);
  if (error == 0) CHECK_OK(pthread_rwlock_unlock(&lock));
  (void)unused;
  return (void*)(long)error;
}
static void* try_write(void* unused) {
  const int error = pthread_rwlock_trywrlock(&lock);
  if (error == 0) CHECK_OK(pthread_rwlock_unlock(&lock));
  (void)unused;
  return (void*)(long)error;
}

int main(void) {
  pthread_t all[readers];
  CHECK_OK(pthread_barrier_init(&together, NULL, readers));
  for (int i = 0; i < readers; ++i) all[i] = start(read_together, NULL);
  for (int i = 0; i < readers; ++i) join(all[i]);
  say("%d readers were inside together", readers);

  CHECK_OK(pthread_rwlock_rdlock(&lock));
  FACT("with a reader: another may read", join(start(try_read, NULL)) == NULL);
  FACT("with a reader: writing is EBUSY", (long)join(start(try_write, NULL)) == EBUSY);
  for (int i = 0; i < 5; ++i) all[i] = start(write_once, NULL);
  settle();
  FACT("writers wait for the reader", written == 0);
  CHECK_OK(pthread_rwlock_unlock(&lock));
  for (int i = 0; i < 5; ++i) join(all[i]);
  say("written: %d", written);

  CHECK_OK(pthread_rwlock_wrlock(&lock));
  FACT("with a writer: reading is EBUSY", (long)join(start(try_read, NULL)) == EBUSY);
  FACT("with a writer: writing is EBUSY", (long)join(start(try_write, NULL)) == EBUSY);
  FACT("wrlock by the writer: EDEADLK", pthread_rwlock_wrlock(&lock) == EDEADLK);
  FACT("rdlock by the writer: EDEADLK", pthread_rwlock_rdlock(&lock) == EDEADLK);
  CHECK_OK(pthread_barrier_destroy(&together));
  CHECK_OK(pthread_barrier_init(&together, NULL, 5));
  for (int i = 0; i < 5; ++i) all[i] = start(read_together, NULL);
  settle();
  CHECK_OK(pthread_rwlock_unlock(&lock));
  for (int i = 0; i < 5; ++i) join(all[i]);
  FACT("all waiting readers came in together", 1);
  FACT("destroy", pthread_rwlock_destroy(&lock) == 0);
  return 0;
}
