// Signal masks are each thread's own, inherited at creation, kept across blocking calls.
#include "../check.h"

enum { threads = 50 };
static int kept, inherited;

static int blocks(int number) {
  sigset_t now;
  CHECK_OK(pthread_sigmask(SIG_SETMASK, NULL, &now));
  return sigismember(&now, number) == 1;
}

static void* own_mask(void* argument) {
  const int mine = SIGRTMIN + 1 + (int)(long)argument % 20;
  sigset_t set;
  if (blocks(SIGUSR2) && !blocks(SIGUSR1)) __atomic_add_fetch(&inherited, 1, __ATOMIC_RELAXED);
  sigemptyset(&set);
  sigaddset(&set, mine);
  CHECK_OK(pthread_sigmask(SIG_SETMASK, &set, NULL));
  int right = 1;
  for (int i = 0; i < 10; ++i) {
    usleep(300);
    sched_yield();
    sigset_t seen;
    CHECK(sigprocmask(SIG_BLOCK, NULL, &seen) == 0);
    for (int number = SIGRTMIN + 1; number <= SIGRTMIN + 20; ++number)
      right &= sigismember(&seen, number) == (number == mine);
    right &= !blocks(SIGUSR2);
  }
  if (right) __atomic_add_fetch(&kept, 1, __ATOMIC_RELAXED);
  return NULL;
}

static void* report_block(void* number) { return (void*)(long)blocks((int)(long)number); }

int main(void) {
  pthread_t all[threads];
  sigset_t set, old;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  CHECK_OK(pthread_sigmask(SIG_BLOCK, &set, &old));
  FACT("nothing was blocked at the start",
       !sigismember(&old, SIGUSR1) && !sigismember(&old, SIGUSR2));
  for (long i = 0; i < threads; ++i) all[i] = start(own_mask, (void*)i);
  for (int i = 0; i < threads; ++i) join(all[i]);
  say("inherited %d, kept %d", inherited, kept);
  FACT("main's is as it was", blocks(SIGUSR2) && !blocks(SIGRTMIN + 1));
  CHECK_OK(pthread_sigmask(SIG_UNBLOCK, &set, NULL));
  FACT("a new thread inherits the new one",
       join(start(report_block, (void*)(long)SIGUSR2)) == NULL);

  pthread_attr_t attributes;
  pthread_t thread;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  CHECK_OK(pthread_attr_init(&attributes));
  CHECK_OK(pthread_attr_setsigmask_np(&attributes, &set));
  CHECK_OK(pthread_create(&thread, &attributes, report_block, (void*)(long)SIGUSR1));
  FACT("a mask by attribute", join(thread) != NULL);
  FACT("a way that is none: EINVAL", pthread_sigmask(99, &set, NULL) == EINVAL);
  FACT("SIGKILL cannot be blocked",
       (sigfillset(&set), pthread_sigmask(SIG_SETMASK, &set, NULL)) == 0 && !blocks(SIGKILL) &&
           blocks(SIGUSR1));
  return 0;
}
