// The load for real programs: one thread, one epoll, N clients that are always waiting for an
// answer; prints what the answers took and what they cost the server.
//
// program_load WORK SUBJECT CLIENTS PORT SERVER-PID SECONDS [ARGUMENT]
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "driver.h"

// Connecting all at once would overflow the queues of listeners that are shorter than that.
enum { most_connecting = 64, most_events = 256, look_ms = 20 };
// More than a slow start of 2,000 clients takes; a server that hangs must not hang the house.
enum { limit_seconds = 60 };

static const struct protocol* protocol;
static struct client* clients;
static unsigned count;
static struct sockaddr_in server;
static int poller;

static unsigned begun;       // clients that have a connection or are getting one, from the first on
static unsigned connecting;  // of these, who is not ready yet
static unsigned outstanding;  // requests that wait for their answer
static unsigned served;       // clients that have had an answer
static uint64_t answers;      // of all time
static enum { gathering, warming, measuring, draining } phase;

void die(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("program_load: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  exit(1);
}

void put(struct client* client, const void* data, size_t size) {
  if (size > out_size) die("a request of %zu bytes", size);
  memcpy(client->out, data, size);
  client->unsent = 0;
  client->end = size;
}

static void lost(const struct client* client, const char* how) {
  die("client %u, %d: the connection is lost: %s", client->number, (int)client->stage, how);
}

// Sends what is unsent; the event that there is room again calls it once more.
static void flush(struct client* client) {
  while (client->unsent < client->end) {
    const unsigned char* data = client->out + client->unsent;
    size_t size = client->end - client->unsent;
    ssize_t sent =
        client->tls ? tls_write(client, data, size) : send(client->fd, data, size, MSG_NOSIGNAL);
    if (sent <= 0) {
      if (errno == EAGAIN) return;
      lost(client, strerror(errno));
    }
    client->unsent += (size_t)sent;
  }
}

static void ask(struct client* client) {
  client->stage = stage_asking;
  ++outstanding;
  // Where each request has a connection of its own, connecting is part of it.
  if (!protocol->reconnects) client->asked = now_ns();
  protocol->ask(client);
  flush(client);
}

static void join_in(struct client* client) {
  client->stage = stage_ready;
  --connecting;
  ask(client);
}

static void connected(struct client* client) {
  if (protocol->tls) {
    tls_begin(client);
    client->stage = stage_tls;
  } else if (protocol->sign_on) {
    client->stage = stage_signing_on;
  } else {
    join_in(client);
  }
}

static void begin(struct client* client) {
  int on = 1;
  client->held = client->unsent = client->end = 0;
  client->asked = now_ns();
  client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (client->fd < 0) die("socket: %s", strerror(errno));
  setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  client->stage = stage_connecting;
  ++connecting;
  if (connect(client->fd, (struct sockaddr*)&server, sizeof server) != 0 && errno != EINPROGRESS) {
    lost(client, strerror(errno));
  }
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                              .data.ptr = client};
  if (epoll_ctl(poller, EPOLL_CTL_ADD, client->fd, &event) != 0) die("epoll: %s", strerror(errno));
}

static void leave(struct client* client) {
  if (protocol->sign_off) {
    protocol->sign_off(client);
    flush(client);
  }
  if (client->tls) tls_end(client);
  close(client->fd);
  client->stage = stage_away;
}

// A server may leave connections in its queue, and be faster for it: who keeps his connection waits
// until all have had an answer.
static int asks_on(void) { return phase == warming || phase == measuring; }

static void got_answer(struct client* client, size_t size) {
  --outstanding;
  ++answers;
  if (phase == measuring) measure_answer(now_ns() - client->asked);
  if (client->turn++ == 0) ++served;
  if (size != client->held) die("client %u: more than one answer", client->number);
  client->held = 0;
  client->stage = protocol->reconnects ? stage_leaving : stage_ready;
  if (client->stage == stage_ready && asks_on()) ask(client);
}

static void look_at_input(struct client* client) {
  if (client->stage == stage_signing_on) {
    if (protocol->sign_on(client)) {
      join_in(client);
    } else {
      flush(client);
    }
  } else if (client->stage == stage_asking) {
    size_t size = protocol->answered(client);
    if (size > 0) got_answer(client, size);
  } else {
    die("client %u: %zu bytes that it did not ask for", client->number, client->held);
  }
}

static void read_all(struct client* client) {
  for (;;) {
    void* room = client->in + client->held;
    size_t size = in_size - client->held;
    if (size == 0) die("client %u: an answer without end", client->number);
    ssize_t got = client->tls ? tls_read(client, room, size) : recv(client->fd, room, size, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got < 0) lost(client, strerror(errno));
    if (got == 0) {
      if (client->stage != stage_leaving) lost(client, "the server has closed it");
      leave(client);
      if (phase != draining) begin(client);
      return;
    }
    client->held += (size_t)got;
    look_at_input(client);
    // What a plain socket had less than asked for was all, and the next event tells of more; the
    // end of a connection that is to close would not be seen.
    if (!client->tls && (size_t)got < size && client->stage != stage_leaving) return;
  }
}

static void on_event(struct client* client, uint32_t events) {
  if (client->stage == stage_connecting) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) lost(client, strerror(error));
    if (!(events & EPOLLOUT)) return;
    connected(client);
  }
  if (client->stage == stage_tls) {
    if (!tls_handshake(client)) return;
    join_in(client);
  }
  flush(client);
  if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) read_all(client);
}

static void wait_once(void) {
  struct epoll_event events[most_events];
  int got = epoll_wait(poller, events, most_events, look_ms);
  if (got < 0 && errno != EINTR) die("epoll: %s", strerror(errno));
  for (int i = 0; i < got; ++i) on_event(events[i].data.ptr, events[i].events);
  while (begun < count && connecting < most_connecting) begin(&clients[begun++]);
}

static void wait_until(uint64_t end) {
  uint64_t look = 0;
  for (uint64_t now; (now = now_ns()) < end;) {
    wait_once();
    if (phase != measuring || now < look) continue;
    measure_look();
    look = now + (uint64_t)look_ms * 1000000;
  }
}

static void run(double seconds, pid_t pid) {
  uint64_t window = (uint64_t)(seconds * 1e9);
  while (served < count) wait_once();
  phase = warming;
  for (unsigned i = 0; i < count; ++i) {
    if (clients[i].stage == stage_ready) ask(&clients[i]);
  }
  wait_until(now_ns() + window / 4);
  measure_begin(pid);
  phase = measuring;
  wait_until(now_ns() + window);
  measure_end();
  phase = draining;
  while (outstanding > 0 || connecting > 0) wait_once();
  for (unsigned i = 0; i < count; ++i) {
    if (clients[i].stage != stage_away) leave(&clients[i]);
  }
}

static void on_alarm(int number) {
  static const char text[] = "program_load: out of time: an answer is missing\n";
  (void)number;
  _exit(write(STDERR_FILENO, text, sizeof text - 1) < 0 ? 2 : 1);
}

static const struct protocol* find(const char* name) {
  static const struct protocol* const all[] = {&http_keep, &http_close, &mariadb_read,
                                               &mariadb_write, &stunnel_echo};
  for (size_t i = 0; i < sizeof all / sizeof *all; ++i) {
    if (strcmp(all[i]->name, name) == 0) return all[i];
  }
  die("no work is called %s", name);
}

int main(int argc, char** argv) {
  if (argc < 7) {
    die("usage: program_load WORK SUBJECT CLIENTS PORT SERVER-PID SECONDS [ARGUMENT]");
  }
  protocol = find(argv[1]);
  count = (unsigned)atoi(argv[3]);
  server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[4]))};
  server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (protocol->argument && argc != 8) die("%s needs a %s", argv[1], protocol->argument);
  if (protocol->prepare) protocol->prepare(argv[7]);

  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  poller = epoll_create1(EPOLL_CLOEXEC);
  clients = calloc(count, sizeof *clients);
  if (count == 0 || poller < 0 || !clients) die("no room for %u clients", count);
  for (unsigned i = 0; i < count; ++i) clients[i].number = i;

  signal(SIGALRM, on_alarm);
  alarm(limit_seconds);
  run(atof(argv[6]), (pid_t)atoi(argv[5]));
  printf("answers %llu\n", (unsigned long long)answers);
  measure_print(argv[1], argv[2], count);
  free(clients);
  return 0;
}
