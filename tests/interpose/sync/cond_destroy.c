// A condition may be destroyed, and its memory reused, as soon as all waiters were woken.
#include "../check.h"

struct gate {
  pthread_mutex_t mutex;
  pthread_cond_t opened;
  int waiting, open;
};

static void* pass(void* argument) {
  struct gate* gate = argument;
  CHECK_OK(pthread_mutex_lock(&gate->mutex));
  ++gate->waiting;
  while (!gate->open) CHECK_OK(pthread_cond_wait(&gate->opened, &gate->mutex));
  --gate->waiting;
  CHECK_OK(pthread_mutex_unlock(&gate->mutex));
  return NULL;
}

int main(void) {
  int rounds = 0;
  for (; rounds < 50; ++rounds) {
    struct gate* gate = calloc(1, sizeof *gate);
    CHECK_OK(pthread_mutex_init(&gate->mutex, NULL));
    CHECK_OK(pthread_cond_init(&gate->opened, NULL));
    pthread_t all[10];
    for (int i = 0; i < 10; ++i) all[i] = start(pass, gate);
    CHECK_OK(pthread_mutex_lock(&gate->mutex));
    gate->open = 1;
    CHECK_OK(pthread_cond_broadcast(&gate->opened));
    CHECK_OK(pthread_cond_destroy(&gate->opened));
    memset(&gate->opened, 0xa5, sizeof gate->opened);
    CHECK_OK(pthread_cond_init(&gate->opened, NULL));
    CHECK_OK(pthread_mutex_unlock(&gate->mutex));
    for (int i = 0; i < 10; ++i) join(all[i]);
    CHECK(gate->waiting == 0);
    CHECK_OK(pthread_mutex_destroy(&gate->mutex));
    free(gate);
  }
  say("rounds: %d", rounds);
  return 0;
}
