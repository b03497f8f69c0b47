// What sigaction promises: the mask while the handler runs, SA_NODEFER, SA_RESETHAND, SA_SIGINFO,
// signal(), errno kept by the program's own handler.
#include "../check.h"

// libc's own flag, SA_RESTORER, which it shows to the program.
enum { restorer = 0x04000000 };
static volatile sig_atomic_t depth, deepest, calls, usr2_blocked, value;

static int blocked(int number) {
  sigset_t now;
  sigprocmask(SIG_BLOCK, NULL, &now);
  return sigismember(&now, number);
}
static void nest(int number) {
  ++calls;
  if (++depth > deepest) deepest = depth;
  usr2_blocked = blocked(SIGUSR2);
  if (calls < 3) raise(number);
  --depth;
}
static void take(int number, siginfo_t* info, void* context) {
  value = info->si_signo == number && context ? info->si_value.sival_int : -1;
}

static void run(const char* name, int flags, int also_blocked) {
  struct sigaction action = {.sa_handler = nest, .sa_flags = flags};
  sigemptyset(&action.sa_mask);
  if (also_blocked) sigaddset(&action.sa_mask, SIGUSR2);
  CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
  calls = deepest = usr2_blocked = 0;
  CHECK(raise(SIGUSR1) == 0);
  say("%s: %d calls, %d deep, SIGUSR2 %s", name, (int)calls, (int)deepest,
      usr2_blocked ? "blocked" : "open");
  FACT("  and after it nothing is blocked", !blocked(SIGUSR1) && !blocked(SIGUSR2));
}

static void* all_of_them(void* unused) {
  run("plain", 0, 0);
  run("with a mask", 0, 1);
  run("SA_NODEFER", SA_NODEFER, 0);
  struct sigaction action = {.sa_sigaction = take, .sa_flags = SA_SIGINFO}, now;
  CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
  CHECK_OK(pthread_sigqueue(pthread_self(), SIGUSR1, (union sigval){.sival_int = 31}));
  say("SA_SIGINFO: %d", (int)value);
  CHECK(sigaction(SIGUSR1, NULL, &now) == 0);
  FACT("read back as set", now.sa_sigaction == take && (now.sa_flags & ~restorer) == SA_SIGINFO);
  action = (struct sigaction){.sa_handler = nest, .sa_flags = (int)SA_RESETHAND};
  CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
  calls = 5;
  CHECK(raise(SIGUSR1) == 0 && sigaction(SIGUSR1, NULL, &now) == 0);
  FACT("SA_RESETHAND: once, then the default", calls == 6 && now.sa_handler == SIG_DFL);
  FACT("signal returns the old one",
       signal(SIGUSR1, nest) == SIG_DFL && signal(SIGUSR1, SIG_IGN) == nest);
  CHECK(raise(SIGUSR1) == 0);
  FACT("ignored", calls == 6);
  FACT("SIGKILL cannot be handled: EINVAL", signal(SIGKILL, nest) == SIG_ERR && errno == EINVAL);
  FACT("nor no number: EINVAL", sigaction(999, NULL, NULL) == -1 && errno == EINVAL);
  signal(SIGUSR1, SIG_DFL);
  return unused;
}

int main(void) {
  say("-- in a thread");
  join(start(all_of_them, NULL));
  say("-- in main");
  all_of_them(NULL);
  return 0;
}
