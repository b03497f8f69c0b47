#define _GNU_SOURCE
#include "system_calls.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { patience_ms = 20000 };

static pid_t perf;
static int orders, answers, result;  // pipes to and from perf

static void run_perf(int pid, const int order[2], const int answer[2], const int told[2]) {
  char process[16], control[32], output[32];
  snprintf(process, sizeof process, "%d", pid);
  snprintf(control, sizeof control, "fd:%d,%d", order[0], answer[1]);
  snprintf(output, sizeof output, "/dev/fd/%d", told[1]);
  close(order[1]);
  close(answer[0]);
  close(told[0]);
  if (freopen("/dev/null", "w", stderr) == NULL) _exit(127);
  execlp("perf", "perf", "stat", "-x", ",", "-o", output, "-D", "-1", "--control", control, "-e",
         "raw_syscalls:sys_enter", "-p", process, (char*)NULL);
  _exit(127);
}

// Tells perf something and waits until it has been done.
static bool order(const char* line) {
  struct pollfd wait = {.fd = answers, .events = POLLIN};
  char buffer[16];
  if (write(orders, line, strlen(line)) < 0) return false;
  if (poll(&wait, 1, patience_ms) != 1) return false;
  return read(answers, buffer, sizeof buffer) >= 4 && memcmp(buffer, "ack", 3) == 0;
}

static void end_perf(void) {
  kill(perf, SIGINT);
  waitpid(perf, NULL, 0);
  close(orders);
  close(answers);
}

bool system_calls_begin(int pid) {
  int to[2], from[2], told[2];
  if (pipe(to) != 0 || pipe(from) != 0 || pipe(told) != 0) return false;
  signal(SIGPIPE, SIG_IGN);
  perf = fork();
  if (perf == 0) run_perf(pid, to, from, told);
  close(to[0]);
  close(from[1]);
  close(told[1]);
  orders = to[1];
  answers = from[0];
  result = told[0];
  if (perf > 0 && order("enable\n")) return true;
  if (perf > 0) end_perf();
  close(result);
  return false;
}

int64_t system_calls_end(void) {
  bool ended = order("disable\n");
  end_perf();
  FILE* lines = fdopen(result, "r");
  char line[256];
  int64_t count = -1;
  while (ended && lines != NULL && fgets(line, sizeof line, lines) != NULL) {
    char* end;
    long long value = strtoll(line, &end, 10);
    if (end != line && *end == ',' && strstr(line, "sys_enter") != NULL) count = value;
  }
  if (lines != NULL) fclose(lines);
  return count;
}
