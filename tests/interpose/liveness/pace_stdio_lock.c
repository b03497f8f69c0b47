// Sleeping threads keep their pace while two wait inside libc for the lock of a FILE: held for
// 0.6 s by a thread that sleeps, then by one that reads what another thread writes 0.6 s later.
// oracle: timeout=60
#include "pace.h"

#include <semaphore.h>

static FILE* stream;
static int ends[2];
static sem_t held;
static char text[200];

static void* hold_asleep(void* unused) {
  flockfile(stream);
  fputs("<", stream);
  CHECK(sem_post(&held) == 0);
  usleep(600000);
  fputs(">", stream);
  funlockfile(stream);
  return unused;
}
static void* hold_reading(void* unused) {
  char byte = 0;
  flockfile(stream);
  fputs("<", stream);
  CHECK(sem_post(&held) == 0);
  CHECK(read(ends[0], &byte, 1) == 1);
  fprintf(stream, "%c>", byte);
  funlockfile(stream);
  return unused;
}
static void* write_later(void* unused) {
  usleep(600000);
  CHECK(write(ends[1], "r", 1) == 1);
  return unused;
}
static void* print(void* unused) {
  fprintf(stream, "%s", "p");
  return unused;
}

static void wait_behind(void* (*hold)(void*)) {
  pthread_t all[4];
  int made = 0;
  all[made++] = start(hold, NULL);
  CHECK(sem_wait(&held) == 0);
  if (hold == hold_reading) all[made++] = start(write_later, NULL);
  all[made++] = start(print, NULL);
  all[made++] = start(print, NULL);
  flockfile(stream);
  fputs("f", stream);
  funlockfile(stream);
  for (int i = 0; i < made; ++i) join(all[i]);
}
static void* get_stuck(void* unused) {
  stream = fmemopen(text, sizeof text, "w");
  CHECK(stream);
  wait_behind(hold_asleep);
  wait_behind(hold_reading);
  CHECK(fclose(stream) == 0);
  return unused;
}

int main(void) {
  CHECK(pipe(ends) == 0 && sem_init(&held, 0, 0) == 0);
  pace_beside(get_stuck);
  FACT("culprit ended as expected",
       strlen(text) == 11 && strncmp(text, "<>", 2) == 0 && strstr(text + 2, "<r>") == text + 5);
  return 0;
}
