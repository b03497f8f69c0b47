// The floating-point environment is each thread's own: rounding mode and exception flags survive
// other threads' blocking calls, and a new thread starts with its creator's rounding mode.
#include "../check.h"

#include <fenv.h>

enum { threads = 40 };
static const int modes[4] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
static int kept, inherited;
static volatile double one = 1.0, three = 3.0, zero = 0.0;

static double third_in(int mode) {
  const int old = fegetround();
  fesetround(mode);
  const double result = one / three;
  fesetround(old);
  return result;
}

static void* round_own_way(void* argument) {
  const int mode = modes[(long)argument % 4];
  const double expected = third_in(mode);
  int right = 1;
  CHECK(fesetround(mode) == 0);
  feclearexcept(FE_ALL_EXCEPT);
  for (int i = 0; i < 20; ++i) {
    usleep(200);
    sched_yield();
    right &= fegetround() == mode && one / three == expected;
    feclearexcept(FE_ALL_EXCEPT);
    if ((long)argument % 2) feraiseexcept(FE_DIVBYZERO);
    usleep(100);
    right &= !fetestexcept(FE_DIVBYZERO) == !((long)argument % 2);
  }
  if (right) __atomic_add_fetch(&kept, 1, __ATOMIC_RELAXED);
  return NULL;
}

static void* tell_mode(void* unused) {
  (void)unused;
  return (void*)(long)fegetround();
}
static void* create_in_mode(void* argument) {
  const int mode = modes[(long)argument % 4];
  CHECK(fesetround(mode) == 0);
  if ((long)join(start(tell_mode, NULL)) == mode)
    __atomic_add_fetch(&inherited, 1, __ATOMIC_RELAXED);
  return NULL;
}

static void in_threads(void* (*body)(void*)) {
  pthread_t all[threads];
  for (long i = 0; i < threads; ++i) all[i] = start(body, (void*)i);
  for (int i = 0; i < threads; ++i) join(all[i]);
}

int main(void) {
  in_threads(round_own_way);
  say("kept: %d of %d", kept, threads);
  in_threads(create_in_mode);
  say("inherited: %d of %d", inherited, threads);
  FACT("main rounds to nearest", fegetround() == FE_TONEAREST);
  FACT("a thread that ended leaves nothing behind",
       (long)join(start(tell_mode, NULL)) == FE_TONEAREST);
  FACT("main has no flag", !fetestexcept(FE_DIVBYZERO) && zero == 0.0);
  return 0;
}
