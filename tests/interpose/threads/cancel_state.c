// Cancellation disabled, pending, enabled again; testcancel; states are each thread's own.
#include "../check.h"

static int ends[2], reached;
static pthread_barrier_t step;

static void* refuse(void* unused) {
  int old;
  char byte;
  CHECK_OK(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old));
  FACT("enabled at the start", old == PTHREAD_CANCEL_ENABLE);
  CHECK_OK(pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &old));
  FACT("deferred at the start", old == PTHREAD_CANCEL_DEFERRED);
  pthread_barrier_wait(&step);
  CHECK(read(ends[0], &byte, 1) == 1);
  usleep(1000);
  pthread_testcancel();
  reached = 1;
  // Nothing is printed once it is enabled: stdio may be a cancellation point.
  CHECK_OK(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &old));
  CHECK(old == PTHREAD_CANCEL_DISABLE);
  reached = 2;
  pthread_testcancel();
  reached = 3;
  return unused;
}

static void* compute(void* unused) {
  pthread_barrier_wait(&step);
  pthread_barrier_wait(&step);
  // Pending now, but nothing here is a cancellation point.
  volatile int work = 0;
  for (int i = 0; i < 100000; ++i) ++work;
  reached = 4;
  usleep(1);
  reached = 5;
  return unused;
}

static void* cancel_self(void* unused) {
  CHECK_OK(pthread_cancel(pthread_self()));
  reached = 6;
  pthread_testcancel();
  reached = 7;
  return unused;
}
static void* nothing(void* unused) { return unused; }

int main(void) {
  CHECK(pipe(ends) == 0);
  CHECK_OK(pthread_barrier_init(&step, NULL, 2));
  pthread_t thread = start(refuse, NULL);
  pthread_barrier_wait(&step);
  CHECK_OK(pthread_cancel(thread));
  settle();
  FACT("disabled: still reading", reached == 0);
  CHECK(write(ends[1], "x", 1) == 1);
  FACT("cancelled at the first point after enabling", join(thread) == PTHREAD_CANCELED);
  say("reached %d", reached);

  thread = start(compute, NULL);
  pthread_barrier_wait(&step);
  CHECK_OK(pthread_cancel(thread));
  pthread_barrier_wait(&step);
  FACT("computing thread cancelled", join(thread) == PTHREAD_CANCELED);
  say("reached %d", reached);

  FACT("cancelled itself", join(start(cancel_self, NULL)) == PTHREAD_CANCELED);
  say("reached %d", reached);
  FACT("a state that is none: EINVAL", pthread_setcancelstate(99, NULL) == EINVAL);
  FACT("a type that is none: EINVAL", pthread_setcanceltype(99, NULL) == EINVAL);

  thread = start(nothing, (void*)9L);
  settle();
  FACT("cancelling one that has ended", pthread_cancel(thread) == 0);
  FACT("  changes nothing", join(thread) == (void*)9L);
  return 0;
}
