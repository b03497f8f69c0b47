// fork without exec from a thread, while others are parked everywhere: the child has the calling
// thread alone, with its identity, TLS and descriptors, and may start anew.
#include "../sockets/net.h"

#include <sys/wait.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int ends[2], stop, idle_work;
static __thread int own = 5;

static void* wait_on_condition(void* unused) {
  CHECK_OK(pthread_mutex_lock(&mutex));
  while (!stop) CHECK_OK(pthread_cond_wait(&cond, &mutex));
  CHECK_OK(pthread_mutex_unlock(&mutex));
  return unused;
}
static void* read_one(void* unused) {
  char byte;
  CHECK(read(ends[0], &byte, 1) == 1);
  return unused;
}
static void* count_up(void* unused) {
  while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
    __atomic_add_fetch(&idle_work, 1, __ATOMIC_SEQ_CST);
    usleep(200);
  }
  return unused;
}

static void* echo_once(void* fd) {
  char byte;
  CHECK(recv(*(int*)fd, &byte, 1, 0) == 1);
  ++byte;
  CHECK(send(*(int*)fd, &byte, 1, 0) == 1);
  return NULL;
}
static void* square(void* value) { return (void*)((long)value * (long)value); }

static int tasks(void) {
  int count = 0;
  char path[64];
  // Through /proc, because the child must really be alone.
  snprintf(path, sizeof path, "/proc/%d/status", (int)getpid());
  FILE* file = fopen(path, "r");
  char line[256];
  while (fgets(line, sizeof line, file)) sscanf(line, "Threads: %d", &count);
  fclose(file);
  return count;
}

static int be_child(pthread_t self_before) {
  FACT("child: pthread_self is as before", pthread_equal(self_before, pthread_self()));
  FACT("child: its TLS is the caller's", own == 6);
  FACT("child: its thread id is the process id", gettid() == getpid());
  say("child: threads in it: %d", tasks());
  const int before = __atomic_load_n(&idle_work, __ATOMIC_SEQ_CST);
  settle();
  FACT("child: nobody else works", __atomic_load_n(&idle_work, __ATOMIC_SEQ_CST) == before);

  pthread_t all[20];
  long sum = 0;
  for (long i = 0; i < 20; ++i) all[i] = start(square, (void*)i);
  for (int i = 0; i < 20; ++i) sum += (long)join(all[i]);
  say("child: threads of its own: %ld", sum);
  int pair[2];
  char byte = 'a';
  tcp_pair(pair);
  const pthread_t echo = start(echo_once, &pair[1]);
  CHECK(send(pair[0], &byte, 1, 0) == 1 && recv(pair[0], &byte, 1, 0) == 1);
  join(echo);
  say("child: a socket's answer: '%c'", byte);
  FACT("child: the mutex its thread held and released is free",
       pthread_mutex_trylock(&mutex) == 0 && pthread_mutex_unlock(&mutex) == 0);
  CHECK(write(ends[1], "c", 1) == 1);
  return 33;
}

static void* fork_here(void* unused) {
  own = 6;
  const pthread_t self = pthread_self();
  // Held across the fork, so that the child knows its state.
  CHECK_OK(pthread_mutex_lock(&mutex));
  const pid_t child = fork();
  CHECK_OK(pthread_mutex_unlock(&mutex));
  if (child == 0) _exit(be_child(self));
  CHECK(child > 0);
  int status;
  CHECK(waitpid(child, &status, 0) == child);
  say_status("child", status);
  FACT("the parent's thread is as before", own == 6 && pthread_equal(self, pthread_self()));
  return unused;
}

int main(void) {
  pthread_t all[3];
  CHECK(pipe(ends) == 0);
  all[0] = start(wait_on_condition, NULL);
  all[1] = start(read_one, NULL);
  all[2] = start(count_up, NULL);
  settle();
  join(start(fork_here, NULL));
  const int before = __atomic_load_n(&idle_work, __ATOMIC_SEQ_CST);
  while (__atomic_load_n(&idle_work, __ATOMIC_SEQ_CST) == before) breathe();
  say("the parent's others go on");
  CHECK_OK(pthread_mutex_lock(&mutex));
  __atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
  CHECK_OK(pthread_cond_broadcast(&cond));
  CHECK_OK(pthread_mutex_unlock(&mutex));
  // The child's byte reached the parent's reader.
  for (int i = 0; i < 3; ++i) join(all[i]);
  say("and end");
  return 0;
}
