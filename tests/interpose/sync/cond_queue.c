// A bounded queue with two conditions: every item once, in each producer's order.
#include "../check.h"

enum { producers = 10, consumers = 10, items = 500, capacity = 7 };
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_full = PTHREAD_COND_INITIALIZER, not_empty = PTHREAD_COND_INITIALIZER;
static int ring[capacity], head, size, left = producers * items;
static int latest[producers], out_of_order;
static long sum;

static void* produce(void* argument) {
  const int me = (int)(long)argument;
  for (int i = 1; i <= items; ++i) {
    CHECK_OK(pthread_mutex_lock(&mutex));
    while (size == capacity) CHECK_OK(pthread_cond_wait(&not_full, &mutex));
    ring[(head + size++) % capacity] = me * 10000 + i;
    CHECK_OK(pthread_cond_signal(&not_empty));
    CHECK_OK(pthread_mutex_unlock(&mutex));
  }
  return NULL;
}

static void* consume(void* unused) {
  CHECK_OK(pthread_mutex_lock(&mutex));
  for (;;) {
    while (size == 0 && left > 0) CHECK_OK(pthread_cond_wait(&not_empty, &mutex));
    if (left == 0) break;
    const int item = ring[head];
    head = (head + 1) % capacity;
    --size;
    sum += item % 10000;
    out_of_order += item % 10000 != ++latest[item / 10000];
    if (--left == 0) CHECK_OK(pthread_cond_broadcast(&not_empty));
    CHECK_OK(pthread_cond_signal(&not_full));
  }
  CHECK_OK(pthread_mutex_unlock(&mutex));
  return unused;
}

int main(void) {
  pthread_t all[producers + consumers];
  for (int i = 0; i < producers; ++i) all[i] = start(produce, (void*)(long)i);
  for (int i = 0; i < consumers; ++i) all[producers + i] = start(consume, NULL);
  for (int i = 0; i < producers + consumers; ++i) join(all[i]);
  say("sum of all items: %ld", sum);
  FACT("each producer's items in order", out_of_order == 0);
  FACT("queue empty", size == 0 && left == 0);
  return 0;
}
