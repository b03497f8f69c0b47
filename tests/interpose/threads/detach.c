// Detached threads: by attribute, by others, by themselves, before and after their end.
#include "../check.h"

#include <semaphore.h>

static sem_t ended;

static void* run(void* unused) {
  CHECK(sem_post(&ended) == 0);
  return unused;
}
static void* detach_self(void* unused) {
  CHECK_OK(pthread_detach(pthread_self()));
  return run(unused);
}
static void* pause_first(void* unused) {
  usleep(2000);
  return run(unused);
}

static void collect(const char* name, int count) {
  for (int i = 0; i < count; ++i) CHECK(sem_wait(&ended) == 0);
  say("%s: %d ran", name, count);
}

int main(void) {
  pthread_t thread;
  pthread_attr_t attributes;
  CHECK(sem_init(&ended, 0, 0) == 0);
  CHECK_OK(pthread_attr_init(&attributes));
  CHECK_OK(pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED));
  for (int i = 0; i < 200; ++i) CHECK_OK(pthread_create(&thread, &attributes, run, NULL));
  collect("by attribute", 200);
  for (int i = 0; i < 100; ++i) CHECK_OK(pthread_detach(start(pause_first, NULL)));
  collect("while running", 100);
  for (int i = 0; i < 100; ++i) start(detach_self, NULL);
  collect("by themselves", 100);

  thread = start(run, NULL);
  collect("one more", 1);
  settle();
  FACT("detach after its end", pthread_detach(thread) == 0);

  // Memory of ended detached threads comes back: this would need 300 GB of stacks otherwise.
  CHECK_OK(pthread_attr_setstacksize(&attributes, 64 << 20));
  for (int round = 0; round < 500; ++round) {
    for (int i = 0; i < 10; ++i) CHECK_OK(pthread_create(&thread, &attributes, run, NULL));
    for (int i = 0; i < 10; ++i) CHECK(sem_wait(&ended) == 0);
  }
  say("5,000 more with large stacks");
  return 0;
}
