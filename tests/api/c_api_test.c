/* The C interface, by a program in C99. */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vervet/abi.h>
#include <vervet/vervet.h>

#define EXPECT(condition)                                                 \
  do {                                                                    \
    if (!(condition)) {                                                   \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
      exit(1);                                                            \
    }                                                                     \
  } while (0)

static const int64_t moment = 1000 * 1000;

static vervet_fiber* spawn(void* (*entry)(void*), void* argument) {
  vervet_fiber* fiber = NULL;
  EXPECT(vervet_spawn(&fiber, NULL, entry, argument) == 0);
  return fiber;
}

static void* join(vervet_fiber* fiber) {
  void* result = NULL;
  EXPECT(vervet_join(fiber, &result, VERVET_NEVER) == 0);
  vervet_release(fiber);
  return result;
}

static vervet_mutex* mutex;
static vervet_cond* condition;
static vervet_queue* queue;
static char order[64];

static void note(const char* what) { strcat(order, what); }

static void* lock_and_note(void* name) {
  EXPECT(vervet_mutex_lock(mutex, VERVET_NEVER) == 0);
  note(name);
  EXPECT(vervet_mutex_unlock(mutex) == 0);
  return NULL;
}

static void* lock_until_cut(void* unused) {
  (void)unused;
  EXPECT(vervet_mutex_lock(mutex, VERVET_NEVER) == ECANCELED);
  EXPECT(vervet_check_killed() == 1);
  EXPECT(vervet_check_killed() == 0);
  EXPECT(vervet_mutex_unlock(mutex) == EPERM);
  return NULL;
}

static void mutexes(void) {
  vervet_fiber *a, *b, *killed;
  EXPECT(vervet_mutex_unlock(mutex) == EPERM);
  EXPECT(vervet_mutex_lock(mutex, VERVET_NEVER) == 0);
  EXPECT(vervet_mutex_lock(mutex, VERVET_NEVER) == EDEADLK);
  order[0] = 0;
  a = spawn(lock_and_note, "a");
  killed = spawn(lock_until_cut, NULL);
  b = spawn(lock_and_note, "b");
  EXPECT(vervet_yield() == 0);
  EXPECT(vervet_kill(killed) == 0);
  EXPECT(vervet_mutex_unlock(mutex) == 0);
  /* It went to the first in line. */
  EXPECT(vervet_mutex_lock(mutex, 0) == ETIMEDOUT);
  note("c");
  EXPECT(vervet_mutex_lock(mutex, VERVET_NEVER) == 0);
  note("d");
  EXPECT(vervet_mutex_unlock(mutex) == 0);
  join(a), join(b), join(killed);
  EXPECT(strcmp(order, "cabd") == 0);
}

static int turn;

static void* wait_for_turn(void* mine) {
  EXPECT(vervet_mutex_lock(mutex, VERVET_NEVER) == 0);
  while (turn != *(int*)mine) EXPECT(vervet_cond_wait(condition, mutex, VERVET_NEVER) == 0);
  ++turn;
  vervet_cond_broadcast(condition);
  EXPECT(vervet_mutex_unlock(mutex) == 0);
  return mine;
}

static void* wait_until_cut(void* unused) {
  EXPECT(vervet_mutex_lock(mutex, VERVET_NEVER) == 0);
  EXPECT(vervet_cond_wait(condition, mutex, VERVET_NEVER) == ECANCELED);
  EXPECT(vervet_check_killed() == 1);
  EXPECT(vervet_mutex_unlock(mutex) == 0);
  return unused;
}

static void* on_os_thread(void* mine) {
  wait_for_turn(mine);
  return NULL;
}

static void conditions(void) {
  int turns[4] = {0, 1, 2, 3};
  pthread_t thread;
  vervet_fiber *second, *last, *killed;
  EXPECT(vervet_cond_wait(condition, mutex, VERVET_NEVER) == EPERM);
  EXPECT(vervet_mutex_lock(mutex, VERVET_NEVER) == 0);
  EXPECT(vervet_cond_wait(condition, mutex, vervet_after(moment)) == ETIMEDOUT);
  EXPECT(vervet_mutex_unlock(mutex) == 0);

  killed = spawn(wait_until_cut, NULL);
  EXPECT(vervet_yield() == 0);
  EXPECT(vervet_kill(killed) == 0);
  join(killed);
  vervet_cond_signal(condition);

  last = spawn(wait_for_turn, &turns[3]);
  second = spawn(wait_for_turn, &turns[1]);
  EXPECT(pthread_create(&thread, NULL, on_os_thread, &turns[2]) == 0);
  EXPECT(vervet_yield() == 0);
  wait_for_turn(&turns[0]);
  EXPECT(join(second) == &turns[1]);
  EXPECT(join(last) == &turns[3]);
  EXPECT(pthread_join(thread, NULL) == 0);
  EXPECT(turn == 4);
}

static void* put_three(void* items) {
  int i;
  for (i = 0; i < 3; ++i)
    EXPECT(vervet_queue_put(queue, (int*)items + i, VERVET_NEVER) == 0);
  return items;
}

static void* put_refused(void* item) {
  EXPECT(vervet_queue_put(queue, item, VERVET_NEVER) == EPIPE);
  return NULL;
}

static void* get_nothing(void* unused) {
  void* item;
  EXPECT(vervet_queue_get(queue, &item, VERVET_NEVER) == EPIPE);
  return unused;
}

static void queues(void) {
  int items[4] = {0, 1, 2, 3}, i;
  void* item;
  vervet_fiber *putter, *refused, *getter;
  EXPECT(vervet_queue_make(&queue, 0) == EINVAL);
  EXPECT(vervet_queue_make(&queue, 2) == 0);
  EXPECT(vervet_queue_get(queue, &item, vervet_after(moment)) == ETIMEDOUT);
  putter = spawn(put_three, items);
  EXPECT(vervet_yield() == 0);
  EXPECT(vervet_queue_size(queue) == 2);
  EXPECT(vervet_has_ended(putter) == 0);
  EXPECT(vervet_queue_put(queue, &items[3], 0) == ETIMEDOUT);
  for (i = 0; i < 3; ++i) {
    EXPECT(vervet_queue_get(queue, &item, VERVET_NEVER) == 0);
    EXPECT(item == &items[i]);
  }
  EXPECT(join(putter) == items);

  EXPECT(vervet_queue_put(queue, &items[0], 0) == 0);
  EXPECT(vervet_queue_put(queue, &items[1], 0) == 0);
  refused = spawn(put_refused, &items[2]);
  EXPECT(vervet_yield() == 0);
  vervet_queue_close(queue);
  join(refused);
  EXPECT(vervet_queue_put(queue, &items[2], VERVET_NEVER) == EPIPE);
  EXPECT(vervet_queue_get(queue, &item, VERVET_NEVER) == 0 && item == &items[0]);
  EXPECT(vervet_queue_get(queue, &item, VERVET_NEVER) == 0 && item == &items[1]);
  EXPECT(vervet_queue_get(queue, &item, VERVET_NEVER) == EPIPE);
  vervet_queue_free(queue);

  EXPECT(vervet_queue_make(&queue, 1) == 0);
  getter = spawn(get_nothing, NULL);
  EXPECT(vervet_yield() == 0);
  vervet_queue_close(queue);
  join(getter);
  vervet_queue_free(queue);
}

enum { rounds = 2000 };

static void* add_often(void* sum) {
  int i;
  for (i = 0; i < rounds; ++i) {
    EXPECT(vervet_mutex_lock(mutex, VERVET_NEVER) == 0);
    ++*(long*)sum;
    if (i % 64 == 0) vervet_yield();
    EXPECT(vervet_mutex_unlock(mutex) == 0);
  }
  return NULL;
}

static void* put_many(void* unused) {
  int i;
  for (i = 0; i < rounds; ++i) EXPECT(vervet_queue_put(queue, queue, VERVET_NEVER) == 0);
  return unused;
}

static void* get_many(void* got) {
  void* item;
  while (vervet_queue_get(queue, &item, VERVET_NEVER) == 0) ++*(long*)got;
  return NULL;
}

static void* on_several_workers(void* unused) {
  long sum = 0, got[2] = {0, 0};
  vervet_fiber *adders[4], *putters[2], *getters[2];
  int i;
  EXPECT(vervet_queue_make(&queue, 3) == 0);
  for (i = 0; i < 4; ++i) adders[i] = spawn(add_often, &sum);
  for (i = 0; i < 2; ++i) putters[i] = spawn(put_many, NULL), getters[i] = spawn(get_many, &got[i]);
  for (i = 0; i < 4; ++i) join(adders[i]);
  for (i = 0; i < 2; ++i) join(putters[i]);
  vervet_queue_close(queue);
  for (i = 0; i < 2; ++i) join(getters[i]);
  vervet_queue_free(queue);
  EXPECT(sum == 4L * rounds);
  EXPECT(got[0] + got[1] == 2L * rounds);
  return unused;
}

static void* count_up(void* number) {
  ++*(int*)number;
  return number;
}

static void offloads_and_stats(void) {
  int number = 1;
  void* result = NULL;
  vervet_stats stats;
  stats.size = 1;
  EXPECT(vervet_get_stats(&stats) == EINVAL);
  EXPECT(vervet_offload_threads(2) == 0);
  EXPECT(vervet_offload(count_up, &number, &result) == 0);
  EXPECT(result == &number && number == 2);
  stats.size = sizeof stats;
  EXPECT(vervet_get_stats(&stats) == 0);
  EXPECT(stats.fibers_spawned > 0 && stats.fibers_alive == 0);
  EXPECT(stats.offload_threads == 1);
  join(spawn(count_up, &number));
  {
    uint64_t before = stats.fibers_spawned;
    EXPECT(vervet_get_stats(&stats) == 0);
    EXPECT(stats.fibers_spawned == before + 1);
  }
}

int main(void) {
  vervet_run_options two_workers;
  memset(&two_workers, 0, sizeof two_workers);
  two_workers.size = sizeof two_workers;
  two_workers.workers = 2;
  EXPECT(vervet_mutex_make(&mutex) == 0);
  EXPECT(vervet_cond_make(&condition) == 0);
  mutexes();
  conditions();
  queues();
  EXPECT(vervet_run(&two_workers, on_several_workers, NULL, NULL) == 0);
  offloads_and_stats();
  vervet_cond_free(condition);
  vervet_mutex_free(mutex);
  puts("passed");
  return 0;
}
