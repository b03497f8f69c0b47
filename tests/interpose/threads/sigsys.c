// The signal of refused system calls is the program's: threads can be made while it comes, while it
// is blocked, and while it is ignored, and nobody meets one that he was not sent.
#include "../check.h"

#include <sched.h>
#include <stdatomic.h>

enum { threads = 200 };

static atomic_int handled, strange, stop;

static void on_sigsys(int number, siginfo_t* info, void* context) {
  (void)number;
  (void)context;
  if (info->si_code == SI_TKILL)
    atomic_fetch_add(&handled, 1);
  else
    atomic_fetch_add(&strange, 1);
}

static void* body(void* argument) { return argument; }

static void* send(void* argument) {
  int* sent = argument;
  while (!atomic_load(&stop)) {
    CHECK(raise(SIGSYS) == 0);
    ++*sent;
    sched_yield();
  }
  return NULL;
}

static int all_can_be_made(void) {
  pthread_t t[threads];
  int right = 0;
  for (int i = 0; i < threads; ++i) CHECK(pthread_create(&t[i], NULL, body, &right) == 0);
  for (int i = 0; i < threads; ++i) {
    void* result = NULL;
    CHECK(pthread_join(t[i], &result) == 0);
    right += result == &right;
  }
  return right == threads;
}

static void set_handler(void (*handler)(int, siginfo_t*, void*)) {
  struct sigaction a;
  memset(&a, 0, sizeof a);
  a.sa_sigaction = handler;
  a.sa_flags = SA_SIGINFO;
  CHECK(sigaction(SIGSYS, &a, NULL) == 0);
}

int main(void) {
  set_handler(on_sigsys);
  int sent = 0;
  pthread_t sender;
  CHECK(pthread_create(&sender, NULL, send, &sent) == 0);
  int made = all_can_be_made();
  while (atomic_load(&handled) == 0) sched_yield();
  atomic_store(&stop, 1);
  CHECK(pthread_join(sender, NULL) == 0);
  FACT("while it comes", made && atomic_load(&handled) == sent && atomic_load(&strange) == 0);

  sigset_t one, pending;
  sigemptyset(&one);
  sigaddset(&one, SIGSYS);
  CHECK(pthread_sigmask(SIG_BLOCK, &one, NULL) == 0);
  CHECK(raise(SIGSYS) == 0);
  FACT("while it is blocked", all_can_be_made());
  CHECK(sigpending(&pending) == 0);
  FACT("it is still pending", sigismember(&pending, SIGSYS) == 1);
  int before = atomic_load(&handled);
  CHECK(pthread_sigmask(SIG_UNBLOCK, &one, NULL) == 0);
  FACT("and comes once", atomic_load(&handled) == before + 1);

  signal(SIGSYS, SIG_IGN);
  FACT("while it is ignored", all_can_be_made() && raise(SIGSYS) == 0);
  struct sigaction now;
  CHECK(sigaction(SIGSYS, NULL, &now) == 0);
  FACT("and it is ignored as before", now.sa_handler == SIG_IGN);
  return 0;
}
