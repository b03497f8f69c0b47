// Thread ids: unique among the living, steady, and main's is the process id.
#include "../check.h"

enum { threads = 200 };
static pid_t ids[threads];
static pthread_t selves[threads];
static pthread_barrier_t all_there;
static int unsteady;

static void* note(void* argument) {
  const long me = (long)argument;
  ids[me] = gettid();
  selves[me] = pthread_self();
  pthread_barrier_wait(&all_there);
  usleep(1000);
  if (gettid() != ids[me] || syscall(SYS_gettid) != ids[me] || getpid() == ids[me] ||
      !pthread_equal(selves[me], pthread_self()))
    __atomic_add_fetch(&unsteady, 1, __ATOMIC_RELAXED);
  return NULL;
}

static int by_value(const void* left, const void* right) {
  return *(const pid_t*)left - *(const pid_t*)right;
}

static void* process_of(void* unused) {
  (void)unused;
  return (void*)(long)getpid();
}

int main(void) {
  pthread_t all[threads];
  FACT("main's id is the process id", gettid() == getpid());
  CHECK_OK(pthread_barrier_init(&all_there, NULL, threads));
  for (long i = 0; i < threads; ++i) all[i] = start(note, (void*)i);
  for (int i = 0; i < threads; ++i) join(all[i]);
  FACT("every id is positive and stayed the same", unsteady == 0);
  int equal = 0;
  for (int i = 0; i < threads; ++i) equal += pthread_equal(all[i], selves[i]) != 0;
  say("pthread_self equals what create gave: %d of %d", equal, threads);
  qsort(ids, threads, sizeof ids[0], by_value);
  int twice = ids[0] <= 0;
  for (int i = 1; i < threads; ++i) twice += ids[i] == ids[i - 1];
  say("ids used twice among %d living: %d", threads, twice);
  FACT("main's id is still the process id", gettid() == getpid());
  FACT("threads share the process id", (long)join(start(process_of, NULL)) == getpid());
  return 0;
}
