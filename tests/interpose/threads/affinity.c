// CPU affinity and scheduling parameters: each thread's own, inherited, settable from outside.
#include "../check.h"

#include <sched.h>

static cpu_set_t allowed, one;
static pthread_barrier_t step;

static int is(pthread_t thread, const cpu_set_t* expected) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CHECK_OK(pthread_getaffinity_np(thread, sizeof set, &set));
  return CPU_EQUAL(&set, expected);
}

static void* narrow_self(void* unused) {
  FACT("a thread inherits its creator's set", is(pthread_self(), &allowed));
  CHECK_OK(pthread_setaffinity_np(pthread_self(), sizeof one, &one));
  FACT("  narrows it", is(pthread_self(), &one));
  usleep(1000);
  FACT("  and keeps it over a pause", is(pthread_self(), &one));
  pthread_barrier_wait(&step);
  pthread_barrier_wait(&step);
  FACT("main widened it again", is(pthread_self(), &allowed));
  return unused;
}
static void* on_one(void* unused) {
  FACT("a thread begins on the set its attributes name", is(pthread_self(), &one));
  return unused;
}

static void* look_at_policy(void* unused) {
  struct sched_param parameters;
  int policy;
  CHECK_OK(pthread_getschedparam(pthread_self(), &policy, &parameters));
  FACT("a thread is SCHED_OTHER with priority 0",
       policy == SCHED_OTHER && parameters.sched_priority == 0);
  CHECK_OK(pthread_setschedparam(pthread_self(), SCHED_OTHER, &parameters));
  parameters.sched_priority = 1;
  FACT("SCHED_OTHER with priority 1: EINVAL",
       pthread_setschedparam(pthread_self(), SCHED_OTHER, &parameters) == EINVAL);
  return unused;
}

int main(void) {
  CPU_ZERO(&allowed);
  CHECK(sched_getaffinity(0, sizeof allowed, &allowed) == 0);
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++cpu)
    if (CPU_ISSET(cpu, &allowed)) CPU_SET(cpu, &one);
  CHECK_OK(pthread_barrier_init(&step, NULL, 2));

  pthread_t thread = start(narrow_self, NULL);
  pthread_barrier_wait(&step);
  FACT("main sees the narrow set", is(thread, &one));
  FACT("main's own is as before", is(pthread_self(), &allowed));
  CHECK_OK(pthread_setaffinity_np(thread, sizeof allowed, &allowed));
  pthread_barrier_wait(&step);
  join(thread);

  cpu_set_t none;
  CPU_ZERO(&none);
  FACT("an empty set: EINVAL",
       pthread_setaffinity_np(pthread_self(), sizeof none, &none) == EINVAL);
  pthread_attr_t attributes;
  CHECK_OK(pthread_attr_init(&attributes));
  CHECK_OK(pthread_attr_setaffinity_np(&attributes, sizeof one, &one));
  CHECK_OK(pthread_create(&thread, &attributes, on_one, NULL));
  join(thread);
  join(start(look_at_policy, NULL));
  FACT("main's set in the end as at the start", is(pthread_self(), &allowed));
  return 0;
}
