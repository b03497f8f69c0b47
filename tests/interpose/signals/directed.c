// pthread_kill, tgkill and raise reach the thread they name, and it alone; a signal to the process
// reaches one that does not block it.
#include "../check.h"

enum { threads = 20 };
static __thread int own;
static __thread volatile sig_atomic_t handled, strange;
static int right, answered[threads], stop[2];
static pthread_barrier_t ready;
static pid_t ids[threads];
static pthread_t all[threads];

static void note(int number, siginfo_t* info, void* context) {
  (void)context;
  // The handler sees the identity of the thread it was sent to.
  if (number == SIGUSR1 && own && pthread_equal(pthread_self(), all[own - 1]) &&
      gettid() == ids[own - 1] && info->si_pid == getpid())
    ++handled;
  else
    ++strange;
}

static void* wait_for_one(void* argument) {
  own = 1 + (int)(long)argument;
  ids[own - 1] = gettid();
  pthread_barrier_wait(&ready);
  char byte;
  CHECK(read(stop[0], &byte, 1) == -1 && errno == EINTR);
  if (handled > 0 && !strange) __atomic_add_fetch(&right, 1, __ATOMIC_RELAXED);
  __atomic_store_n(&answered[own - 1], 1, __ATOMIC_SEQ_CST);
  return NULL;
}
static int count_answered(void) {
  int count = 0;
  for (int i = 0; i < threads; ++i) count += __atomic_load_n(&answered[i], __ATOMIC_SEQ_CST);
  return count;
}
static void* block_usr2(void* body) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  CHECK_OK(pthread_sigmask(SIG_BLOCK, &set, NULL));
  (void)body;
  char byte;
  CHECK(read(stop[0], &byte, 1) == 1);
  return NULL;
}

static volatile sig_atomic_t by_whom;
static void note_open(int number) {
  (void)number;
  by_whom = own;
}
static void* stay_open(void* unused) {
  own = 99;
  while (!by_whom) breathe();
  return unused;
}
static void* raise_here(void* unused) {
  own = 77;
  by_whom = 0;
  CHECK(raise(SIGUSR2) == 0);
  // It has been handled when raise returns.
  return by_whom == 77 ? (void*)1L : unused;
}

int main(void) {
  struct sigaction action = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
  CHECK(sigaction(SIGUSR1, &action, NULL) == 0 && pipe(stop) == 0);
  CHECK_OK(pthread_barrier_init(&ready, NULL, threads + 1));
  for (long i = 0; i < threads; ++i) all[i] = start(wait_for_one, (void*)i);
  pthread_barrier_wait(&ready);
  // One after the other, each until it answers: the others must not notice.
  int disturbed = 0;
  for (int i = 0; i < threads; ++i) {
    while (!__atomic_load_n(&answered[i], __ATOMIC_SEQ_CST)) {
      if (i % 2)
        CHECK_OK(pthread_kill(all[i], SIGUSR1));
      else
        CHECK(tgkill(getpid(), ids[i], SIGUSR1) == 0 || errno == ESRCH);
      breathe();
    }
    disturbed += count_answered() != i + 1;
    join(all[i]);
  }
  say("threads that handled their own: %d, others disturbed: %d", right, disturbed);

  handle(SIGUSR2, note_open, SA_RESTART);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  pthread_t blocked[5];
  for (int i = 0; i < 5; ++i) blocked[i] = start(block_usr2, NULL);
  const pthread_t open = start(stay_open, NULL);
  CHECK_OK(pthread_sigmask(SIG_BLOCK, &set, NULL));
  settle();
  CHECK(kill(getpid(), SIGUSR2) == 0);
  join(open);
  say("a signal to the process went to the one that does not block it: %d", (int)by_whom);
  CHECK(write(stop[1], "12345", 5) == 5);
  for (int i = 0; i < 5; ++i) join(blocked[i]);
  CHECK_OK(pthread_sigmask(SIG_UNBLOCK, &set, NULL));
  FACT("raise in a thread is handled there, at once", join(start(raise_here, NULL)) != NULL);
  return 0;
}
