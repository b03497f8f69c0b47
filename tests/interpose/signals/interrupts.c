// A handler interrupts blocking calls with EINTR; with SA_RESTART most go on, some never do.
#include "../sockets/net.h"

#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/select.h>

static int ends[2], pair[2], limited[2], full[2], listener, epoll;
static sem_t never;
static char byte, block[1 << 16];
static int done;

static void ignore(int number) { (void)number; }

static long call_read(void) { return read(ends[0], &byte, 1); }
static long call_recv(void) { return recv(pair[0], &byte, 1, 0); }
static long call_recvmsg(void) {
  struct iovec part = {&byte, 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  return recvmsg(pair[0], &message, 0);
}
static long call_send(void) { return send(full[0], block, sizeof block, 0); }
static long call_write(void) { return write(full[0], block, sizeof block); }
static long call_accept(void) { return accept(listener, NULL, NULL); }
static long call_sem_wait(void) { return sem_wait(&never); }
static long call_limited_recv(void) { return recv(limited[0], &byte, 1, 0); }
static long call_poll(void) { return poll(&(struct pollfd){ends[0], POLLIN, 0}, 1, -1); }
static long call_ppoll(void) { return ppoll(&(struct pollfd){ends[0], POLLIN, 0}, 1, NULL, NULL); }
static long call_select(void) {
  fd_set readable;
  FD_ZERO(&readable);
  FD_SET(ends[0], &readable);
  return select(ends[0] + 1, &readable, NULL, NULL, NULL);
}
static long call_epoll_wait(void) {
  struct epoll_event event;
  return epoll_wait(epoll, &event, 1, -1);
}
static long call_usleep(void) { return usleep(500000000); }
static long call_pause(void) { return pause(); }

struct call {
  const char* name;
  long (*make)(void);
};
static const struct call restarting[] = {
    {"read", call_read},   {"recv", call_recv},     {"recvmsg", call_recvmsg},  {"send", call_send},
    {"write", call_write}, {"accept", call_accept}, {"sem_wait", call_sem_wait}};
static const struct call never_restarting[] = {{"recv with SO_RCVTIMEO", call_limited_recv},
                                               {"poll", call_poll},
                                               {"ppoll", call_ppoll},
                                               {"select", call_select},
                                               {"epoll_wait", call_epoll_wait},
                                               {"usleep", call_usleep},
                                               {"pause", call_pause}};

static void* run(void* call) {
  const long result = ((const struct call*)call)->make();
  const int error = errno;
  __atomic_store_n(&done, 1, __ATOMIC_SEQ_CST);
  return (void*)(long)(result < 0 ? error : 0);
}

static void interrupted(const struct call* call) {
  __atomic_store_n(&done, 0, __ATOMIC_SEQ_CST);
  const pthread_t thread = start(run, (void*)call);
  while (!__atomic_load_n(&done, __ATOMIC_SEQ_CST)) {
    CHECK_OK(pthread_kill(thread, SIGUSR1));
    breathe();
  }
  say("%s: %s", call->name, error_name((int)(long)join(thread)));
}

static void restarted(const struct call* call) {
  __atomic_store_n(&done, 0, __ATOMIC_SEQ_CST);
  const pthread_t thread = start(run, (void*)call);
  for (int i = 0; i < 10; ++i) {
    CHECK_OK(pthread_kill(thread, SIGUSR1));
    breathe();
  }
  say("%s: %s", call->name, __atomic_load_n(&done, __ATOMIC_SEQ_CST) ? "returned" : "goes on");
  CHECK_OK(pthread_cancel(thread));
  join(thread);
}

int main(void) {
  struct sockaddr_in address;
  CHECK(pipe(ends) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, limited) == 0);
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, full) == 0);
  set_timeout(limited[0], SO_RCVTIMEO, 500000);
  while (send(full[0], block, sizeof block, MSG_DONTWAIT) > 0) {
  }
  while (send(full[0], block, 1, MSG_DONTWAIT) > 0) {
  }
  listener = tcp_listener(&address, 5);
  epoll = epoll_create1(0);
  CHECK(epoll >= 0 && sem_init(&never, 0, 0) == 0);

  say("-- no flags");
  handle(SIGUSR1, ignore, 0);
  for (size_t i = 0; i < sizeof restarting / sizeof *restarting; ++i) interrupted(&restarting[i]);
  for (size_t i = 0; i < sizeof never_restarting / sizeof *never_restarting; ++i)
    interrupted(&never_restarting[i]);
  say("-- SA_RESTART");
  handle(SIGUSR1, ignore, SA_RESTART);
  for (size_t i = 0; i < sizeof restarting / sizeof *restarting; ++i) restarted(&restarting[i]);
  for (size_t i = 0; i < sizeof never_restarting / sizeof *never_restarting; ++i)
    interrupted(&never_restarting[i]);
  return 0;
}
