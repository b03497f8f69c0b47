// Thread names.
#include "../check.h"

#include <sys/prctl.h>

static pthread_barrier_t step;
static char own[16], by_prctl[17];

static void* be_named(void* unused) {
  pthread_barrier_wait(&step);
  pthread_barrier_wait(&step);
  CHECK_OK(pthread_getname_np(pthread_self(), own, sizeof own));
  CHECK(prctl(PR_SET_NAME, "by-prctl", 0, 0, 0) == 0);
  usleep(1000);
  CHECK(prctl(PR_GET_NAME, by_prctl, 0, 0, 0) == 0);
  pthread_barrier_wait(&step);
  pthread_barrier_wait(&step);
  return unused;
}

int main(void) {
  char name[64];
  CHECK_OK(pthread_getname_np(pthread_self(), name, sizeof name));
  say("main starts as '%s'", name);
  CHECK_OK(pthread_barrier_init(&step, NULL, 2));
  const pthread_t thread = start(be_named, NULL);
  CHECK_OK(pthread_getname_np(thread, name, sizeof name));
  say("a thread inherits '%s'", name);
  pthread_barrier_wait(&step);
  CHECK_OK(pthread_setname_np(thread, "fifteen-letters"));
  FACT("sixteen letters: ERANGE", pthread_setname_np(thread, "sixteen--letters") == ERANGE);
  FACT("a buffer too small: ERANGE", pthread_getname_np(thread, name, 15) == ERANGE);
  pthread_barrier_wait(&step);
  pthread_barrier_wait(&step);
  say("the thread itself saw '%s', then '%s'", own, by_prctl);
  CHECK_OK(pthread_getname_np(thread, name, sizeof name));
  say("and main sees '%s'", name);
  CHECK_OK(pthread_setname_np(pthread_self(), "renamed-main"));
  CHECK_OK(pthread_getname_np(pthread_self(), name, sizeof name));
  say("main renamed is '%s'", name);
  pthread_barrier_wait(&step);
  join(thread);
  return 0;
}
