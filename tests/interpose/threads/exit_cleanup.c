// pthread_exit from deep inside: cleanup handlers in reverse order, then keys, then the result.
#include "../check.h"

static pthread_key_t key;
static char trace[64];

static void note(const char* what) { strcat(trace, what); }
static void cleanup(void* what) { note(what); }
static void blocking_cleanup(void* what) {
  usleep(2000);
  note(what);
}
static void destroy(void* what) { note(what); }

static void leave(void) {
  pthread_cleanup_push(cleanup, "c");
  usleep(1000);
  pthread_exit((void*)17L);
  pthread_cleanup_pop(0);
}

static void* nest(void* unused) {
  CHECK_OK(pthread_setspecific(key, "k"));
  pthread_cleanup_push(cleanup, "a");
  pthread_cleanup_push(blocking_cleanup, "b");
  leave();
  pthread_cleanup_pop(0);
  pthread_cleanup_pop(0);
  return unused;
}

static void* return_normally(void* unused) {
  CHECK_OK(pthread_setspecific(key, "k"));
  pthread_cleanup_push(cleanup, "x");
  pthread_cleanup_pop(1);
  pthread_cleanup_push(cleanup, "y");
  pthread_cleanup_pop(0);
  return unused;
}

static void* exit_at_once(void* result) { pthread_exit(result); }

int main(void) {
  CHECK_OK(pthread_key_create(&key, destroy));
  const long result = (long)join(start(nest, NULL));
  say("nested: '%s', result %ld", trace, result);
  trace[0] = 0;
  join(start(return_normally, NULL));
  say("returned: '%s'", trace);

  int right = 0;
  pthread_t all[500];
  for (long i = 0; i < 500; ++i) all[i] = start(exit_at_once, (void*)i);
  for (long i = 0; i < 500; ++i) right += join(all[i]) == (void*)i;
  say("500 exits, %d with the right result", right);
  return 0;
}
