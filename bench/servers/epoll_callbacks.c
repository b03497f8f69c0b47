// The limit: callbacks on edge-triggered epoll sets, by hand.
//
// A descriptor is registered once. A read that is shorter than it could have been has emptied the
// socket, unless its end has been announced (EPOLLRDHUP): then the next event is waited for.
// With 2 workers each thread has a set, and connections are handed out in turn.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "start.h"
#include "timer_heap.h"

struct loop {
  int epoll;
  enum service service;
  struct timer_heap timers;
  char buffer[echo_buffer_size];
};

struct connection {
  int fd;
  enum { reading, writing, thinking, closed } state;
  bool ending;  // the peer has ended its side: read until the end
  bool missed;  // something came while it did not read
  char* out;    // what the socket had no room for
  size_t out_at, out_size;
  char* in;  // the beginning of a request
  size_t in_size;
  int64_t number;  // stream: of the request
  unsigned chunk;  // the next
};

static struct loop* loops;
static int loop_count;
static int listener;

static _Noreturn void fail(const char* what) {
  perror(what);
  exit(1);
}

static void close_connection(struct connection* c) {
  close(c->fd);
  free(c->out);
  free(c->in);
  c->out = c->in = NULL;
  c->state = closed;
}

// Sends, and keeps what there is no room for. False if the connection does not read now.
static bool send_bytes(struct connection* c, const char* data, size_t size) {
  ssize_t n = send(c->fd, data, size, MSG_NOSIGNAL);
  if (n == (ssize_t)size) return true;
  if (n < 0 && errno != EAGAIN) {
    close_connection(c);
    return false;
  }
  size_t sent = n < 0 ? 0 : (size_t)n;
  c->out = malloc(size - sent);
  if (c->out == NULL) fail("memory");
  memcpy(c->out, data + sent, size - sent);
  c->out_at = 0;
  c->out_size = size - sent;
  c->state = writing;
  return false;
}

// ---- http and stream

static void think(struct loop* loop, struct connection* c) {
  c->state = thinking;
  timer_push(&loop->timers, (struct timer){timer_now() + think_time_ms * 1000000LL, c});
}

// Answers the requests in `data` until one has to wait; keeps the rest.
static void take_requests(struct loop* loop, struct connection* c, char* data, size_t size) {
  size_t taken;
  while (c->state == reading && (taken = request_size(loop->service, data, size)) != 0) {
    if (loop->service == service_http) {
      send_bytes(c, http_answer, http_answer_size);
    } else if ((c->number = stream_request(data, taken)) < 0) {
      close_connection(c);
    } else {
      c->chunk = 0;
      think(loop, c);
    }
    data += taken;
    size -= taken;
  }
  if (c->state == closed) return;
  c->in_size = size;
  if (size == 0) return;
  if (c->in == NULL && (c->in = malloc(request_buffer_size)) == NULL) fail("memory");
  memmove(c->in, data, size);
}

// ---- Reading

// Moves what has come; false if no more can be read now.
static bool read_once(struct loop* loop, struct connection* c) {
  bool echoes = loop->service == service_echo;
  char* data = c->in_size == 0 ? loop->buffer : c->in;
  size_t room = echoes ? sizeof loop->buffer : request_buffer_size - c->in_size;
  ssize_t n = recv(c->fd, data + c->in_size, room, 0);
  if (n < 0 && errno == EAGAIN) return false;
  if (n <= 0) {
    close_connection(c);
    return false;
  }
  bool emptied = (size_t)n < room && !c->ending;
  if (echoes)
    send_bytes(c, data, (size_t)n);
  else
    take_requests(loop, c, data, c->in_size + (size_t)n);
  return c->state == reading && !emptied;
}

static void read_on(struct loop* loop, struct connection* c) {
  c->missed = false;
  while (read_once(loop, c)) {
  }
}

// A write or an answer is done.
static void go_on_reading(struct loop* loop, struct connection* c) {
  c->state = reading;
  if (c->in_size != 0) take_requests(loop, c, c->in, c->in_size);
  if (c->state == reading && c->missed) read_on(loop, c);
}

static void answered(struct loop* loop, struct connection* c) {
  if (loop->service == service_stream && ++c->chunk < stream_chunks) return think(loop, c);
  // What came after a whole buffer is not announced again.
  if (loop->service == service_echo) c->missed = true;
  go_on_reading(loop, c);
}

static void write_on(struct loop* loop, struct connection* c) {
  ssize_t n = send(c->fd, c->out + c->out_at, c->out_size - c->out_at, MSG_NOSIGNAL);
  if (n < 0 && errno == EAGAIN) return;
  if (n < 0) return close_connection(c);
  c->out_at += (size_t)n;
  if (c->out_at < c->out_size) return;
  free(c->out);
  c->out = NULL;
  answered(loop, c);
}

static void send_chunk(struct loop* loop, struct connection* c) {
  c->state = reading;
  if (send_bytes(c, stream_chunk(c->number, c->chunk), stream_chunk_size)) answered(loop, c);
}

// ---- Events

static void on_event(struct loop* loop, struct connection* c, uint32_t events) {
  if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) c->ending = true;
  if ((events & EPOLLOUT) && c->state == writing) write_on(loop, c);
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) && c->state != closed) {
    c->missed = true;
    if (c->state == reading) read_on(loop, c);
  }
  if (c->state == closed) free(c);
}

static void on_connection(void) {
  static int next;
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0 && errno == EAGAIN) return;
    if (fd < 0) fail("accept");
    struct connection* c = calloc(1, sizeof *c);
    if (c == NULL) fail("memory");
    c->fd = fd;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
    if (epoll_ctl(loops[next].epoll, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
    next = (next + 1) % loop_count;
  }
}

static void run_due_timers(struct loop* loop) {
  int64_t now = timer_now();
  while (loop->timers.size != 0 && loop->timers.entries[0].when <= now) {
    struct connection* c = timer_pop(&loop->timers).what;
    send_chunk(loop, c);
    if (c->state == closed) free(c);
  }
}

static void* run(void* argument) {
  struct loop* loop = argument;
  struct epoll_event events[256];
  for (;;) {
    struct timespec timeout = {0, 0}, *until = NULL;
    if (loop->timers.size != 0) {
      int64_t left = loop->timers.entries[0].when - timer_now();
      if (left > 0) timeout = (struct timespec){left / 1000000000, left % 1000000000};
      until = &timeout;
    }
    int count = until == NULL ? epoll_wait(loop->epoll, events, 256, -1)
                              : epoll_pwait2(loop->epoll, events, 256, until, NULL);
    if (count < 0 && errno != EINTR) fail("epoll_wait");
    for (int i = 0; i < count; ++i) {
      struct connection* c = events[i].data.ptr;
      if (c == NULL)
        on_connection();
      else
        on_event(loop, c, events[i].events);
    }
    if (loop->timers.size != 0) run_due_timers(loop);
  }
  return NULL;
}

int main(int argc, char** argv) {
  struct arguments given = arguments_of(argc, argv, 2);
  loop_count = given.workers;
  loops = calloc((size_t)loop_count, sizeof *loops);
  if (loops == NULL) fail("memory");
  for (int i = 0; i < loop_count; ++i) {
    loops[i].service = given.service;
    loops[i].epoll = epoll_create1(EPOLL_CLOEXEC);
    if (loops[i].epoll < 0) fail("epoll");
  }
  listener = listen_on_loopback(SOCK_NONBLOCK);
  struct epoll_event event = {.events = EPOLLIN | EPOLLET};
  if (epoll_ctl(loops[0].epoll, EPOLL_CTL_ADD, listener, &event) != 0) fail("epoll_ctl");
  announce(listener);
  for (int i = 1; i < loop_count; ++i) {
    pthread_t thread;
    errno = pthread_create(&thread, NULL, run, &loops[i]);
    if (errno != 0) fail("thread");
  }
  run(&loops[0]);
}
