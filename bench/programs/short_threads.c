// The cost of a short-lived thread: create, run, join, one at a time. Prints nanoseconds a thread.
// Knows nothing of vervet.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void* body(void* argument) { return argument; }

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int main(int argc, char** argv) {
  int count = argc > 1 ? atoi(argv[1]) : 20000;
  if (count < 1) {
    fprintf(stderr, "usage: %s [threads, at least 1]\n", argv[0]);
    return 2;
  }
  double start = seconds();
  for (int i = 0; i < count; ++i) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, body, NULL) != 0 || pthread_join(thread, NULL) != 0) {
      perror("thread");
      return 1;
    }
  }
  printf("%.0f\n", (seconds() - start) * 1e9 / count);
  return 0;
}
