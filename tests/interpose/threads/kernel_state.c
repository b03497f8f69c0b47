// State that the kernel keeps per thread stays with the thread that set it, also across waits, and
// goes to the threads that it creates: a directory of its own, a nice value, a CPU.
#include "../check.h"

#include <sched.h>
#include <sys/resource.h>

static int is_at(const char* directory) {
  char present[256];
  CHECK(getcwd(present, sizeof present));
  return strcmp(present, directory) == 0;
}

static void wait_a_little(void) {
  for (int i = 0; i < 20; ++i) usleep(500);
}

static void* child_of_mover(void* unused) {
  (void)unused;
  wait_a_little();
  return (void*)(long)is_at("/usr");
}
static void* move(void* unused) {
  (void)unused;
  CHECK_OK(unshare(CLONE_FS));
  wait_a_little();
  CHECK_OK(chdir("/usr"));
  int right = 1;
  for (int i = 0; i < 20; ++i) {
    usleep(1000);
    right &= is_at("/usr");
  }
  FACT("the mover stays where it went", right);
  FACT("its child is there as well", join(start(child_of_mover, NULL)) != NULL);
  return NULL;
}
static void* be_nice(void* unused) {
  (void)unused;
  errno = 0;
  CHECK(nice(3) == 3 && errno == 0);
  int right = 1;
  for (int i = 0; i < 20; ++i) {
    usleep(1000);
    right &= getpriority(PRIO_PROCESS, 0) == 3;
  }
  FACT("the nice one stays nice", right);
  return NULL;
}
static void* be_confined(void* unused) {
  (void)unused;
  cpu_set_t all, one;
  CHECK_OK(sched_getaffinity(0, sizeof all, &all));
  int cpu = 0;
  while (!CPU_ISSET(cpu, &all)) ++cpu;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  CHECK_OK(sched_setaffinity(0, sizeof one, &one));
  int right = 1;
  for (int i = 0; i < 20; ++i) {
    usleep(1000);
    right &= sched_getcpu() == cpu;
  }
  FACT("the confined one stays on its CPU", right);
  return NULL;
}
static void* look_around(void* right) {
  for (int i = 0; i < 40; ++i) {
    usleep(700);
    if (!is_at("/") || getpriority(PRIO_PROCESS, 0) != 0) *(int*)right = 0;
  }
  return NULL;
}

int main(void) {
  enum { others = 20 };
  pthread_t all[others];
  int right[others];
  CHECK_OK(chdir("/"));
  void* (*const bodies[])(void*) = {move, be_nice, be_confined};
  for (unsigned b = 0; b < sizeof bodies / sizeof *bodies; ++b) {
    for (int i = 0; i < others; ++i) {
      right[i] = 1;
      all[i] = start(look_around, &right[i]);
    }
    join(start(bodies[b], NULL));
    int everyone = 1;
    for (int i = 0; i < others; ++i) {
      join(all[i]);
      everyone &= right[i];
    }
    FACT("the others are where they were, and not nicer", everyone);
  }
  return 0;
}
