// pthread_exit in main: the others go on, and the last one's end ends the process with status 0.
#include "../check.h"

static pthread_t main_thread;

static void at_end(void) { say("atexit handler ran"); }
static void cleanup(void* unused) {
  (void)unused;
  say("main's cleanup handler ran");
}

static void* outlive_main(void* unused) {
  void* result;
  CHECK_OK(pthread_join(main_thread, &result));
  say("joined main: %ld", (long)result);
  usleep(20000);
  say("still here after main has gone, process id %s",
      getpid() != gettid() ? "differs from mine" : "is mine");
  return unused;
}

int main(void) {
  main_thread = pthread_self();
  CHECK(atexit(at_end) == 0);
  CHECK_OK(pthread_detach(start(outlive_main, NULL)));
  pthread_cleanup_push(cleanup, NULL);
  pthread_exit((void*)5L);
  pthread_cleanup_pop(0);
}
