// Faults are handled by the thread that made them, wherever it has been: SIGSEGV, SIGFPE, SIGILL,
// SIGBUS, left by siglongjmp.
#include "../check.h"

#include <setjmp.h>

enum { threads = 20 };
static __thread sigjmp_buf back;
static __thread void* volatile where;
static __thread int me;
static int right;

static void jump_out(int number, siginfo_t* info, void* context) {
  (void)context;
  where = info->si_addr;
  siglongjmp(back, number);
}

static int fault(int number) {
  switch (sigsetjmp(back, 1)) {
    case 0: break;
    case SIGSEGV: return number == SIGSEGV && where == (void*)(0x1000L + me);
    case SIGILL: return number == SIGILL;
    case SIGFPE: return number == SIGFPE;
  }
  static volatile int zero;
  if (number == SIGSEGV) *(volatile char*)(0x1000L + me) = 1;
  if (number == SIGFPE) return number / zero;
  if (number == SIGILL) __builtin_trap();
  return 0;
}

static void* fault_often(void* argument) {
  me = (int)(long)argument;
  int good = 0;
  for (int i = 0; i < 10; ++i) {
    good += fault(SIGSEGV);
    usleep(200);
    good += fault(SIGILL);
    sched_yield();
    good += fault(SIGFPE);
  }
  if (good == 30) __atomic_add_fetch(&right, 1, __ATOMIC_RELAXED);
  return NULL;
}

int main(void) {
  pthread_t all[threads];
  const int numbers[3] = {SIGSEGV, SIGILL, SIGFPE};
  for (int i = 0; i < 3; ++i) {
    struct sigaction action = {.sa_sigaction = jump_out, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(numbers[i], &action, NULL) == 0);
  }
  for (long i = 0; i < threads; ++i) all[i] = start(fault_often, (void*)i);
  for (int i = 0; i < threads; ++i) join(all[i]);
  say("threads that came back from 30 faults each: %d", right);
  fault_often((void*)500L);
  say("and main: %d", right - threads);
  return 0;
}
