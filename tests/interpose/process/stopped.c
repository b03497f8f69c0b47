// A process with blocked threads is stopped and continued: nobody notices.
#include "../check.h"

#include <poll.h>
#include <semaphore.h>
#include <sys/wait.h>

static int ends[4][2];
static sem_t ready;

static void* by_read(void* argument) {
  char byte;
  sem_post(&ready);
  return (void*)(long)(read(ends[(long)argument][0], &byte, 1) == 1);
}
static void* by_poll(void* argument) {
  struct pollfd one = {ends[(long)argument][0], POLLIN, 0};
  sem_post(&ready);
  return (void*)(long)(poll(&one, 1, 9000) == 1);
}
static void* by_sleep(void* unused) {
  (void)unused;
  sem_post(&ready);
  const struct timespec pause = {0, 100000000};
  return (void*)(long)(nanosleep(&pause, NULL) == 0);
}
static void* by_condition(void* unused) {
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t never = PTHREAD_COND_INITIALIZER;
  (void)unused;
  const struct timespec soon = after_ms(CLOCK_REALTIME, 100);
  CHECK_OK(pthread_mutex_lock(&mutex));
  sem_post(&ready);
  int error;
  while ((error = pthread_cond_timedwait(&never, &mutex, &soon)) == 0) {
  }
  CHECK_OK(pthread_mutex_unlock(&mutex));
  return (void*)(long)(error == ETIMEDOUT);
}

static int be_child(int tell) {
  void* (*const ways[4])(void*) = {by_read, by_poll, by_sleep, by_condition};
  pthread_t all[4];
  CHECK(sem_init(&ready, 0, 0) == 0);
  for (long i = 0; i < 4; ++i) all[i] = start(ways[i], (void*)i);
  for (int i = 0; i < 4; ++i) CHECK(sem_wait(&ready) == 0);
  settle();
  CHECK(write(tell, "r", 1) == 1);
  int right = 0;
  for (int i = 0; i < 4; ++i) right += join(all[i]) != NULL;
  return right;
}

int main(void) {
  int tell[2], status;
  char byte;
  CHECK(pipe(tell) == 0);
  for (int i = 0; i < 4; ++i) CHECK(pipe(ends[i]) == 0);
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) _exit(be_child(tell[1]));
  CHECK(read(tell[0], &byte, 1) == 1);
  for (int i = 0; i < 5; ++i) {
    CHECK(kill(child, SIGSTOP) == 0 && waitpid(child, &status, WUNTRACED) == child);
    CHECK(WIFSTOPPED(status));
    CHECK(kill(child, SIGCONT) == 0 && waitpid(child, &status, WCONTINUED) == child);
    breathe();
  }
  CHECK(write(ends[0][1], "x", 1) == 1 && write(ends[1][1], "x", 1) == 1);
  CHECK(waitpid(child, &status, 0) == child);
  say_status("calls that ended as if nothing had been", status);
  return 0;
}
