// io_uring by hand: one ring, one thread; the accept repeats itself, and what follows a send is
// linked to it, so that one system call serves as many connections as have something to do.
#include <errno.h>
#include <liburing.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "start.h"

enum { submissions = 4096, completions = 32768 };

// What has completed, in the low bits of the connection's address.
enum step { accepted, received, sent, thought, silent };

struct connection {
  int fd;
  unsigned chunk;  // stream: the next
  int64_t number;  // of the request that is being answered
  size_t have;     // bytes in `buffer`
  size_t taken;    // of those, the request's that is being answered
  char buffer[];
};

static struct io_uring ring;
static enum service service;

static _Noreturn void fail(const char* what, int error) {
  fprintf(stderr, "%s: %s\n", what, strerror(-error));
  exit(1);
}

static size_t buffer_size(void) {
  return service == service_echo ? echo_buffer_size : request_buffer_size;
}

// Room for a step and what is linked to it.
static void make_room(void) {
  if (io_uring_sq_space_left(&ring) >= 2) return;
  int result = io_uring_submit(&ring);
  if (result < 0) fail("io_uring_submit", result);
}

// Names a step, once it is prepared.
static void name(struct io_uring_sqe* s, struct connection* c, enum step step) {
  io_uring_sqe_set_data64(s, (uint64_t)(uintptr_t)c | step);
}

static void receive(struct connection* c) {
  make_room();
  struct io_uring_sqe* s = io_uring_get_sqe(&ring);
  io_uring_prep_recv(s, c->fd, c->buffer + c->have, buffer_size() - c->have, 0);
  name(s, c, received);
}

static void think(struct connection* c) {
  static struct __kernel_timespec duration = {0, think_time_ms * 1000000LL};
  make_room();
  struct io_uring_sqe* s = io_uring_get_sqe(&ring);
  io_uring_prep_timeout(s, &duration, 0, 0);
  name(s, c, thought);
}

// Sends all of it. If `linked`, the step that is prepared next begins when it has gone, or is
// cancelled when it has failed; else its end is told.
static void send_bytes(struct connection* c, const char* data, size_t size, bool linked) {
  make_room();
  struct io_uring_sqe* s = io_uring_get_sqe(&ring);
  io_uring_prep_send(s, c->fd, data, size, MSG_NOSIGNAL | MSG_WAITALL);
  name(s, c, linked ? silent : sent);
  if (linked) s->flags |= IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS;
}

static void close_connection(struct connection* c) {
  make_room();
  struct io_uring_sqe* s = io_uring_get_sqe(&ring);
  io_uring_prep_close(s, c->fd);
  name(s, NULL, silent);
  s->flags |= IOSQE_CQE_SKIP_SUCCESS;
  free(c);
}

// ---- http and stream

// Answers the request at the front, or asks for more of it.
static void take_request(struct connection* c) {
  c->have -= c->taken;
  memmove(c->buffer, c->buffer + c->taken, c->have);
  c->taken = request_size(service, c->buffer, c->have);
  if (c->taken == 0) {
    if (c->have == buffer_size()) return close_connection(c);
    return receive(c);
  }
  if (service == service_stream) {
    c->chunk = 0;
    c->number = stream_request(c->buffer, c->taken);
    return c->number < 0 ? close_connection(c) : think(c);
  }
  bool last = c->taken == c->have;
  send_bytes(c, http_answer, http_answer_size, last);
  if (!last) return;
  c->have = c->taken = 0;
  receive(c);
}

static void send_chunk(struct connection* c) {
  const char* chunk = stream_chunk(c->number, c->chunk);
  bool last = ++c->chunk == stream_chunks;
  send_bytes(c, chunk, stream_chunk_size, !last);
  if (!last) think(c);
}

// ---- Events

static void on_received(struct connection* c, int result) {
  if (result <= 0) return close_connection(c);
  if (service != service_echo) {
    c->have += (size_t)result;
    return take_request(c);
  }
  send_bytes(c, c->buffer, (size_t)result, true);
  receive(c);
}

static void on_connection(int listener, const struct io_uring_cqe* completion) {
  if (completion->res < 0) fail("accept", completion->res);
  struct connection* c = calloc(1, sizeof *c + buffer_size());
  if (c == NULL) fail("memory", -ENOMEM);
  c->fd = completion->res;
  receive(c);
  if (completion->flags & IORING_CQE_F_MORE) return;
  make_room();
  struct io_uring_sqe* s = io_uring_get_sqe(&ring);
  io_uring_prep_multishot_accept(s, listener, NULL, NULL, SOCK_CLOEXEC);
  name(s, NULL, accepted);
}

static void on_completion(int listener, const struct io_uring_cqe* completion) {
  uint64_t data = io_uring_cqe_get_data64(completion);
  struct connection* c = (struct connection*)(uintptr_t)(data & ~7ull);
  int result = completion->res;
  switch ((enum step)(data & 7)) {
    case accepted: return on_connection(listener, completion);
    case received: return on_received(c, result);
    case sent: return result < 0 ? close_connection(c) : take_request(c);
    case thought: return result == -ECANCELED ? close_connection(c) : send_chunk(c);
    case silent: return;  // what is linked to it is cancelled
  }
}

int main(int argc, char** argv) {
  service = arguments_of(argc, argv, 1).service;
  struct io_uring_params params = {
      .flags = IORING_SETUP_CQSIZE | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
      .cq_entries = completions};
  int result = io_uring_queue_init_params(submissions, &ring, &params);
  if (result < 0) fail("io_uring_queue_init", result);
  int listener = listen_on_loopback(0);
  struct io_uring_sqe* s = io_uring_get_sqe(&ring);
  io_uring_prep_multishot_accept(s, listener, NULL, NULL, SOCK_CLOEXEC);
  name(s, NULL, accepted);
  announce(listener);
  for (;;) {
    result = io_uring_submit_and_wait(&ring, 1);
    if (result < 0 && result != -EINTR) fail("io_uring_submit_and_wait", result);
    struct io_uring_cqe* completion;
    unsigned head, count = 0;
    io_uring_for_each_cqe(&ring, head, completion) {
      on_completion(listener, completion);
      ++count;
    }
    io_uring_cq_advance(&ring, count);
  }
}
