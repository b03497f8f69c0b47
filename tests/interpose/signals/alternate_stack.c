// Alternate signal stacks: each thread's own, used by handlers that ask for it, also for a thread
// that has run into the end of its stack.
#include "../check.h"

#include <setjmp.h>
#include <stdint.h>

enum { threads = 10, size = 65536 };
static __thread char* mine;
static __thread volatile sig_atomic_t on_it, flagged;
static int right;
static __thread sigjmp_buf back;

static int within(const void* address, const void* low) {
  return (uintptr_t)address >= (uintptr_t)low && (uintptr_t)address < (uintptr_t)low + size;
}
static void look(int number) {
  char local;
  stack_t now;
  (void)number;
  on_it = within(&local, mine);
  flagged = sigaltstack(NULL, &now) == 0 && (now.ss_flags & SS_ONSTACK);
}
static void jump_out(int number) {
  (void)number;
  siglongjmp(back, 1);
}

static void* use_own(void* unused) {
  stack_t stack = {.ss_sp = mine = malloc(size), .ss_size = size}, now;
  CHECK(sigaltstack(NULL, &now) == 0);
  const int none_before = now.ss_flags == SS_DISABLE;
  CHECK(sigaltstack(&stack, NULL) == 0);
  usleep(1000);
  CHECK(raise(SIGUSR1) == 0);
  const int used = on_it && flagged;
  CHECK(raise(SIGUSR2) == 0);
  const int left_alone = !on_it && !flagged;
  usleep(1000);
  CHECK(sigaltstack(NULL, &now) == 0);
  const int kept = now.ss_sp == mine && now.ss_size == size && now.ss_flags == 0;
  stack.ss_flags = SS_DISABLE;
  CHECK(sigaltstack(&stack, NULL) == 0);
  free(mine);
  if (none_before && used && left_alone && kept) __atomic_add_fetch(&right, 1, __ATOMIC_RELAXED);
  return unused;
}

static volatile int endless = 1;
static int overflow(int level) {
  volatile char bytes[2048];
  bytes[0] = (char)level;
  return endless ? overflow(level + 1) + bytes[0] : 0;
}
static void* run_off_the_stack(void* unused) {
  stack_t stack = {.ss_sp = malloc(size), .ss_size = size};
  CHECK(sigaltstack(&stack, NULL) == 0);
  if (sigsetjmp(back, 1) == 0) return overflow(0) ? unused : NULL;
  stack.ss_flags = SS_DISABLE;
  CHECK(sigaltstack(&stack, NULL) == 0);
  free(stack.ss_sp);
  return (void*)1L;
}

int main(void) {
  pthread_t all[threads];
  handle(SIGUSR1, look, SA_ONSTACK);
  handle(SIGUSR2, look, 0);
  for (int i = 0; i < threads; ++i) all[i] = start(use_own, NULL);
  for (int i = 0; i < threads; ++i) join(all[i]);
  say("threads for which all was right: %d", right);
  stack_t tiny = {.ss_sp = &tiny, .ss_size = 100};
  FACT("too small a stack: ENOMEM", sigaltstack(&tiny, NULL) == -1 && errno == ENOMEM);

  handle(SIGSEGV, jump_out, SA_ONSTACK);
  FACT("a thread that overflowed its stack got back by its handler",
       join(start(run_off_the_stack, NULL)) != NULL);
  FACT("  and another", join(start(run_off_the_stack, NULL)) != NULL);
  return 0;
}
