#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "load_generator --port N [options]: asks a server of bench/servers, checks each byte of its\n"
    "answers, and prints rate, latencies and the CPU time a request\n"
    "\n"
    "  --work W         echo, http, stream or churn (echo)\n"
    "  --connections N  each asks, waits for the whole answer, asks again (100)\n"
    "  --size BYTES     of an echo, 16 to 16384 (64)\n"
    "  --seconds S      length of the measured window (2)\n"
    "  --warmup S       before it (0.5)\n"
    "  --pid PID        the server, to measure its CPU time\n"
    "  --system-calls   count the server's as well, by perf, in a window of their own\n"
    "  --cpu N          the CPU to run on (any)\n"
    "  --addresses K    client addresses 127.0.0.2 and following, 1 to 250 (as many as needed)\n"
    "  --ceiling        print what the generator could do on a full CPU, and nothing else\n";

static _Noreturn void refuse(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("load_generator: ", stderr);
  vfprintf(stderr, format, arguments);
  fputs("; --help shows what there is\n", stderr);
  va_end(arguments);
  exit(2);
}

static int whole(const char* name, const char* text, long lowest, long highest) {
  char* end;
  errno = 0;
  long value = strtol(text, &end, 10);
  if (end == text || *end != '\0' || errno != 0 || value < lowest || value > highest)
    refuse("--%s takes a number from %ld to %ld, not '%s'", name, lowest, highest, text);
  return (int)value;
}

static double duration(const char* name, const char* text, double lowest) {
  char* end;
  double value = strtod(text, &end);
  if (end == text || *end != '\0' || !(value >= lowest && value <= 600))
    refuse("--%s takes seconds from %g to 600, not '%s'", name, lowest, text);
  return value;
}

static enum work work_named(const char* name) {
  static const char* const names[] = {"echo", "http", "stream", "churn"};
  for (int i = 0; i < 4; ++i)
    if (strcmp(name, names[i]) == 0) return (enum work)i;
  refuse("there is no work '%s'", name);
}

// The kernel has some 28,000 ports for each pair of addresses; those of closed connections rest.
static int addresses_needed(const struct options* o) {
  if (o->work == work_churn) return 8;
  return o->connections > 10000 ? 1 + o->connections / 10000 : 0;
}

struct options options_of(int argc, char** argv) {
  static const struct option known[] = {{"port", required_argument, NULL, 'p'},
                                        {"work", required_argument, NULL, 'w'},
                                        {"size", required_argument, NULL, 's'},
                                        {"connections", required_argument, NULL, 'n'},
                                        {"pid", required_argument, NULL, 'i'},
                                        {"seconds", required_argument, NULL, 't'},
                                        {"cpu", required_argument, NULL, 'c'},
                                        {"warmup", required_argument, NULL, 'u'},
                                        {"help", no_argument, NULL, 'h'},
                                        {"addresses", required_argument, NULL, 'a'},
                                        {"ceiling", no_argument, NULL, 'l'},
                                        {"system-calls", no_argument, NULL, 'y'},
                                        {NULL, 0, NULL, 0}};
  struct options o = {.connections = 100, .size = 64, .seconds = 2, .warmup = 0.5, .cpu = -1};
  opterr = 0;
  for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
    switch (c) {
      case 'p': o.port = whole("port", optarg, 1, 65535); break;
      case 'w': o.work = work_named(optarg); break;
      case 'n': o.connections = whole("connections", optarg, 1, 1000000); break;
      case 's': o.size = whole("size", optarg, 16, 16384); break;
      case 't': o.seconds = duration("seconds", optarg, 0.01); break;
      case 'u': o.warmup = duration("warmup", optarg, 0); break;
      case 'i': o.pid = whole("pid", optarg, 1, 1 << 30); break;
      case 'c': o.cpu = whole("cpu", optarg, 0, 1023); break;
      case 'a': o.addresses = whole("addresses", optarg, 1, 250); break;
      case 'y': o.system_calls = true; break;
      case 'l': o.ceiling = true; break;
      case 'h': fputs(usage, stdout); exit(0);
      default: refuse("'%s' is unknown or lacks its value", argv[optind - 1]);
    }
  }
  if (optind != argc) refuse("'%s' is too much", argv[optind]);
  if (o.port == 0) refuse("--port is missing");
  if (o.system_calls && o.pid == 0) refuse("--system-calls takes --pid as well");
  if (o.work == work_churn) o.size = 64;
  if (o.addresses == 0) o.addresses = addresses_needed(&o);
  return o;
}
