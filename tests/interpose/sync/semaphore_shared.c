// Semaphores between processes: unnamed in shared memory, and named.
#include "../check.h"

#include <fcntl.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/wait.h>

static sem_t *ping, *pong;

static void* serve(void* rounds) {
  for (long i = 0; i < (long)rounds; ++i) {
    CHECK(sem_wait(ping) == 0);
    CHECK(sem_post(pong) == 0);
  }
  return NULL;
}
static void* ask(void* rounds) {
  for (long i = 0; i < (long)rounds; ++i) {
    CHECK(sem_post(ping) == 0);
    CHECK(sem_wait(pong) == 0);
  }
  return NULL;
}

static void play(const char* name) {
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    join(start(serve, (void*)300L));
    _exit(0);
  }
  join(start(ask, (void*)300L));
  int status, left;
  CHECK(waitpid(child, &status, 0) == child);
  say_status(name, status);
  CHECK(sem_getvalue(ping, &left) == 0);
  say("%s: 300 rounds, value left %d", name, left);
}

int main(void) {
  sem_t* memory =
      mmap(NULL, 2 * sizeof(sem_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(memory != MAP_FAILED);
  ping = &memory[0], pong = &memory[1];
  CHECK(sem_init(ping, 1, 0) == 0 && sem_init(pong, 1, 0) == 0);
  play("unnamed");

  char first[64], second[64];
  snprintf(first, sizeof first, "/oracle-ping-%d", (int)getpid());
  snprintf(second, sizeof second, "/oracle-pong-%d", (int)getpid());
  ping = sem_open(first, O_CREAT | O_EXCL, 0600, 0);
  pong = sem_open(second, O_CREAT | O_EXCL, 0600, 0);
  CHECK(ping != SEM_FAILED && pong != SEM_FAILED);
  FACT("opened again, it is the same object", sem_open(first, 0) == ping);
  FACT("a second exclusive creation: EEXIST",
       sem_open(first, O_CREAT | O_EXCL, 0600, 0) == SEM_FAILED && errno == EEXIST);
  CHECK(sem_unlink(first) == 0 && sem_unlink(second) == 0);
  play("named");
  FACT("unlinked: ENOENT", sem_open(first, 0) == SEM_FAILED && errno == ENOENT);
  CHECK(sem_close(ping) == 0 && sem_close(pong) == 0);
  return 0;
}
