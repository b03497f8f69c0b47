// What a window of time saw: latencies, and the server's CPU time, threads and memory.
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "driver.h"

// Latencies fall into buckets 1/32 of a power of two wide: what is read out is within 3 %.
enum { fine_bits = 5, fine = 1 << fine_bits, buckets = 64 * fine };

static struct {
  pid_t server;
  clockid_t cpu_clock;
  uint64_t began, ended;  // wall time, ns
  uint64_t cpu;           // CPU time of the server, ns
  uint64_t answers;
  uint64_t latency[buckets];
  unsigned long threads;  // the most seen
  unsigned long memory;   // KiB resident at the end
} seen;

static uint64_t clock_ns(clockid_t clock) {
  struct timespec t;
  if (clock_gettime(clock, &t) != 0) die("the server has ended");
  return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

uint64_t now_ns(void) { return clock_ns(CLOCK_MONOTONIC); }

static unsigned bucket_of(uint64_t ns) {
  if (ns < fine) return (unsigned)ns;
  unsigned shift = 63 - (unsigned)__builtin_clzll(ns) - fine_bits;
  return shift * fine + (unsigned)(ns >> shift);
}

static double middle_of(unsigned bucket) {
  if (bucket < 2 * fine) return bucket;
  unsigned shift = bucket / fine - 1;
  return ((double)(bucket % fine + fine) + 0.5) * (double)((uint64_t)1 << shift);
}

static double percentile_us(double share) {
  uint64_t rank = (uint64_t)(share * (double)seen.answers), before = 0;
  for (unsigned bucket = 0; bucket < buckets; ++bucket) {
    before += seen.latency[bucket];
    if (before > rank) return middle_of(bucket) / 1000;
  }
  return 0;
}

static unsigned long status_of_server(const char* field) {
  char path[64], line[256];
  snprintf(path, sizeof path, "/proc/%d/status", (int)seen.server);
  FILE* file = fopen(path, "r");
  if (!file) die("the server has ended");
  unsigned long value = 0;
  size_t length = strlen(field);
  while (fgets(line, sizeof line, file)) {
    if (strncmp(line, field, length) == 0) sscanf(line + length, ": %lu", &value);
  }
  fclose(file);
  return value;
}

void measure_begin(pid_t server) {
  seen.server = server;
  int error = clock_getcpuclockid(server, &seen.cpu_clock);
  if (error != 0) die("process %d: %s", (int)server, strerror(error));
  seen.cpu = clock_ns(seen.cpu_clock);
  seen.began = now_ns();
  measure_look();
}

void measure_answer(uint64_t ns) {
  ++seen.answers;
  ++seen.latency[bucket_of(ns)];
}

void measure_look(void) {
  unsigned long threads = status_of_server("Threads");
  if (threads > seen.threads) seen.threads = threads;
}

void measure_end(void) {
  seen.ended = now_ns();
  seen.cpu = clock_ns(seen.cpu_clock) - seen.cpu;
  measure_look();
  seen.memory = status_of_server("VmRSS");
}

void measure_print(const char* work, const char* subject, unsigned clients) {
  if (seen.answers == 0) die("no answer in the time of the measurement");
  double answers = (double)seen.answers;
  const struct {
    const char *metric, *unit;
    double value;
  } rows[] = {
      {"rate", "/s", answers * 1e9 / (double)(seen.ended - seen.began)},
      {"p50", "us", percentile_us(0.5)},
      {"p99", "us", percentile_us(0.99)},
      {"cpu", "us/request", (double)seen.cpu / 1000 / answers},
      {"threads", "count", (double)seen.threads},
      {"memory", "MiB", (double)seen.memory / 1024},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; ++i) {
    printf("row %s %s %u %s %.3f %s\n", work, subject, clients, rows[i].metric, rows[i].value,
           rows[i].unit);
  }
}
