// Non-private futexes: on ordinary memory between threads, on shared memory between processes.
#include "futex.h"

#include <sys/mman.h>
#include <sys/wait.h>

static int ordinary;

static void wait_while(int* word, int value) {
  while (get(word) == value)
    if (futex(word, FUTEX_WAIT, value, NULL, NULL, 0) != 0)
      CHECK(errno == EAGAIN || errno == EINTR);
}
static void set_and_wake(int* word, int value) {
  set(word, value);
  CHECK(futex(word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0) >= 0);
}

static void* play(void* argument) {
  int* word = argument;
  for (int i = 0; i < 200; ++i) {
    wait_while(word, 0);
    set_and_wake(word, 0);
  }
  return NULL;
}
static void* oppose(void* argument) {
  int* word = argument;
  for (int i = 0; i < 200; ++i) {
    set_and_wake(word, 1);
    wait_while(word, 1);
  }
  return NULL;
}

int main(void) {
  const pthread_t here = start(play, &ordinary), there = start(oppose, &ordinary);
  join(here), join(there);
  say("200 turns between threads, word %d", get(&ordinary));

  int* word = mmap(NULL, sizeof *word, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(word != MAP_FAILED);
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    join(start(play, word));
    _exit(0);
  }
  join(start(oppose, word));
  int status;
  CHECK(waitpid(child, &status, 0) == child);
  say_status("200 turns between processes", status);
  return 0;
}
