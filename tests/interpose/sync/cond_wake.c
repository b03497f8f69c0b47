// Condition variables: signal wakes one, broadcast wakes all, each wakes with the mutex held.
#include "../check.h"

enum { threads = 200 };
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_cond_t arrived = PTHREAD_COND_INITIALIZER;
static int waiting, tickets, served, inside;

static void* take_ticket(void* unused) {
  CHECK_OK(pthread_mutex_lock(&mutex));
  ++waiting;
  CHECK_OK(pthread_cond_signal(&arrived));
  while (tickets == 0) CHECK_OK(pthread_cond_wait(&cond, &mutex));
  CHECK(inside++ == 0);
  --tickets;
  ++served;
  CHECK_OK(pthread_cond_signal(&arrived));
  --inside;
  CHECK_OK(pthread_mutex_unlock(&mutex));
  return unused;
}

int main(void) {
  pthread_t all[threads];
  FACT("a signal nobody waits for is lost", pthread_cond_signal(&cond) == 0);
  for (int i = 0; i < threads; ++i) all[i] = start(take_ticket, NULL);
  CHECK_OK(pthread_mutex_lock(&mutex));
  while (waiting < threads) CHECK_OK(pthread_cond_wait(&arrived, &mutex));
  say("waiting: %d, served: %d", waiting, served);

  for (int i = 0; i < 10; ++i) {
    ++tickets;
    CHECK_OK(pthread_cond_signal(&cond));
    while (served <= i) CHECK_OK(pthread_cond_wait(&arrived, &mutex));
  }
  say("after ten signals: %d", served);
  tickets = threads - 10;
  CHECK_OK(pthread_cond_broadcast(&cond));
  CHECK_OK(pthread_mutex_unlock(&mutex));
  for (int i = 0; i < threads; ++i) join(all[i]);
  say("after the broadcast: %d, tickets left %d", served, tickets);
  FACT("destroy", pthread_cond_destroy(&cond) == 0);
  return 0;
}
