// Everything begun before the first thread goes on after it: descriptors, a held mutex, handlers,
// a mask, keys, a pending signal.
#include "../check.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

static pthread_mutex_t mutex = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
static pthread_key_t key;
static volatile sig_atomic_t handled;
static int pair[2], quick[2], epoll, entered;

static void count(int number) {
  (void)number;
  ++handled;
}
static void* use_it_all(void* unused) {
  char byte;
  struct epoll_event event;
  FACT("the thread sees no value for the key", pthread_getspecific(key) == NULL);
  sigset_t now;
  CHECK_OK(pthread_sigmask(SIG_SETMASK, NULL, &now));
  FACT("it inherits the mask", sigismember(&now, SIGUSR1) == 1);
  FACT("the mutex is held", pthread_mutex_trylock(&mutex) == EBUSY);
  FACT("the non-blocking socket is", recv(quick[0], &byte, 1, 0) == -1 && errno == EAGAIN);
  FACT("the epoll has its event",
       epoll_wait(epoll, &event, 1, -1) == 1 && event.data.fd == pair[0]);
  CHECK(recv(pair[0], &byte, 1, 0) == 1);
  FACT("the byte from before arrives", byte == 'e');
  CHECK(recv(pair[0], &byte, 1, 0) == 1);
  FACT("and one from now", byte == 'n');
  CHECK_OK(pthread_mutex_lock(&mutex));
  entered = 1;
  CHECK_OK(pthread_mutex_unlock(&mutex));
  return unused;
}

int main(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  handle(SIGUSR1, count, 0);
  CHECK_OK(pthread_sigmask(SIG_BLOCK, &set, NULL));
  CHECK(kill(getpid(), SIGUSR1) == 0);
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, quick) == 0);
  epoll = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = pair[0]};
  CHECK(epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, pair[0], &event) == 0);
  CHECK(send(pair[1], "e", 1, 0) == 1);
  CHECK_OK(pthread_key_create(&key, NULL));
  CHECK_OK(pthread_setspecific(key, &key));
  CHECK_OK(pthread_mutex_lock(&mutex));
  const pthread_t self = pthread_self();

  const pthread_t thread = start(use_it_all, NULL);
  CHECK(send(pair[1], "n", 1, 0) == 1);
  settle();
  FACT("main still holds the mutex", pthread_mutex_lock(&mutex) == EDEADLK && !entered);
  FACT("main is who it was", pthread_equal(self, pthread_self()) && gettid() == getpid());
  FACT("its key has its value", pthread_getspecific(key) == &key);
  CHECK_OK(pthread_mutex_unlock(&mutex));
  join(thread);
  FACT("the signal is still pending", handled == 0);
  CHECK_OK(pthread_sigmask(SIG_UNBLOCK, &set, NULL));
  say("handled once unblocked: %d", (int)handled);
  return 0;
}
