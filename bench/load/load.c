// One load generator for all servers: epoll, one thread, closed loops whose answers are checked
// byte by byte.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <unistd.h>

#include "client.h"
#include "cpu.h"
#include "system_calls.h"

enum { most_at_once = 256 };
static const int64_t second = 1000000000;
static const int64_t patience = 15 * 1000000000LL;  // without any progress

// A moment, and the CPU time that had been used by then.
struct sample {
  int64_t time, own, server;
};

static struct sample sample_now(int pid) {
  struct sample s = {now_ns(), cpu_time_ns(0), pid == 0 ? 0 : cpu_time_ns(pid)};
  if (s.server >= 0) return s;
  fprintf(stderr, "load_generator: there is no process %d\n", pid);
  exit(1);
}

static void give_up_after(int64_t since, const char* what, int done, int all) {
  if (now_ns() - since < patience) return;
  fprintf(stderr, "load_generator: %d of %d %s, then nothing more\n", done, all, what);
  exit(1);
}

// Every connection is open and has had one answer.
static void connect_all(struct client* c) {
  int all = c->options->connections, shown = 0, terminal = isatty(STDERR_FILENO);
  int64_t progress = now_ns();
  for (int done = 0; done < all;) {
    while (c->opened < all && c->under_way < most_at_once) client_open_next(c);
    client_look(c, now_ns() + second / 10);
    int before = done;
    done = c->opened - c->under_way;
    if (done != before) progress = now_ns();
    give_up_after(progress, "connections are established", done, all);
    if (terminal && done / 100 != shown) {
      shown = done / 100;
      fprintf(stderr, "\r%d of %d connections", done, all);
    }
  }
  if (terminal) fputs("\r\x1b[K", stderr);
}

static void run_for(struct client* c, double seconds) {
  int64_t end = now_ns() + (int64_t)(seconds * 1e9);
  while (now_ns() < end) client_look(c, end);
}

// Every answer that is due has come.
static void finish(struct client* c) {
  c->goes_on = false;
  int64_t begun = now_ns();
  int all = c->options->connections;
  while (c->under_way > 0) {
    client_look(c, now_ns() + second / 10);
    give_up_after(begun, "last requests are answered", all - c->under_way, all);
  }
}

// System calls of the server a request; -1 if they cannot be counted. What perf does to system
// calls costs time, so they have a run of their own, which begins and ends with nothing under way.
static double count_system_calls(struct client* c, const struct options* o) {
  if (!system_calls_begin(o->pid)) return -1;
  uint64_t before = c->ended;
  client_begin_all(c);
  run_for(c, o->seconds < 0.3 ? o->seconds : 0.3);
  finish(c);
  int64_t calls = system_calls_end();
  return calls < 0 ? -1 : (double)calls / (double)(c->ended - before);
}

static void report(const struct client* c, const struct sample* from, const struct sample* to) {
  double requests = (double)c->latencies.total;
  double seconds = (double)(to->time - from->time) / 1e9;
  double own = (double)(to->own - from->own) / 1e9;
  if (requests == 0) {
    fprintf(stderr, "load_generator: no request was answered in %g s\n", seconds);
    exit(1);
  }
  printf("ceiling %.0f /s\n", requests / own);
  if (c->options->ceiling) return;
  printf("requests %.0f 1\n", requests);
  printf("rate %.1f /s\n", requests / seconds);
  printf("p50 %.2f us\n", histogram_quantile(&c->latencies, 0.5) / 1e3);
  printf("p99 %.2f us\n", histogram_quantile(&c->latencies, 0.99) / 1e3);
  printf("p999 %.2f us\n", histogram_quantile(&c->latencies, 0.999) / 1e3);
  printf("load %.3f share\n", own / seconds);
  if (c->options->pid != 0)
    printf("cpu %.4f us/request\n", (double)(to->server - from->server) / 1e3 / requests);
}

int main(int argc, char** argv) {
  struct options options = options_of(argc, argv);
  static struct client client;
  if (options.cpu >= 0 && run_on_cpu(options.cpu) != 0) {
    fprintf(stderr, "load_generator: CPU %d: %s\n", options.cpu, strerror(errno));
    return 2;
  }
  client_start(&client, &options);
  connect_all(&client);
  client_begin_all(&client);
  run_for(&client, options.warmup);

  client.measures = true;
  struct sample from = sample_now(options.pid);
  run_for(&client, options.seconds);
  struct sample to = sample_now(options.pid);
  client.measures = false;
  finish(&client);
  double calls = options.system_calls ? count_system_calls(&client, &options) : -1;
  client_close_all(&client);
  report(&client, &from, &to);
  if (calls >= 0) printf("syscalls %.4f /request\n", calls);
  return 0;
}
