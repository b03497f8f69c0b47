// Runs a command and stops kernel threads of it, one at a time, at random moments, while the others
// run on: what a loaded machine does to a thread that holds a lock or is about to publish
// something, only more often. A stop is a ptrace interrupt: the thread stands where it happened to
// be.
//
// usage: stop_carriers [--seed N] [--seconds S] [--longest MS] [--report FILE] -- command...
//   --seed N       of the random numbers (default: from the clock)
//   --seconds S    so long threads are stopped; then the command runs on undisturbed (default 10)
//   --longest MS   longest stop (default 50)
//   --report FILE  seed and number of stops go there instead of to standard error
//
// Follows new threads and exec, not child processes. Exit status: the command's; 77 where ptrace is
// not permitted; 125 where the command cannot be watched. Killing this program kills the command.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
  most_threads = 4096,
  skipped = 77,
  failed = 125,
  // Between two stops: short, so that most of the time some thread stands.
  longest_pause_us = 5000,
  // A thread that has ended, or sleeps where nothing interrupts it, is given up after this.
  patience_us = 200000,
};

enum state {
  running,      // or in a call
  interrupted,  // told to stop, has not said yet that it does
  stopped,      // by us
};
struct thread {
  pid_t tid;
  enum state state;
};
static struct thread threads[most_threads];
static int thread_count;

static pid_t command;
static int command_status, command_ended;
static long stops, stops_while_running;
static unsigned long long random_state;

static void die(int status, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("stop_carriers: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  exit(status);
}

static unsigned long next_random(unsigned long below) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (unsigned long)(random_state >> 11) % below;
}

static long long now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

// --- the command's threads ---------------------------------------------------------------------

static struct thread* find(pid_t tid) {
  for (int i = 0; i < thread_count; ++i)
    if (threads[i].tid == tid) return &threads[i];
  return NULL;
}

static struct thread* add(pid_t tid) {
  if (thread_count == most_threads) die(failed, "more than %d threads", most_threads);
  threads[thread_count] = (struct thread){tid, running};
  return &threads[thread_count++];
}

static void forget(pid_t tid) {
  struct thread* thread = find(tid);
  if (thread) *thread = threads[--thread_count];
}

static void go_on(pid_t tid, int with_signal) {
  // It may have been killed meanwhile; then its end is reported in turn.
  ptrace(PTRACE_CONT, tid, NULL, (void*)(long)with_signal);
}

// Whether it is on a processor, or waits for one.
static int is_running(pid_t tid) {
  char path[64], text[512];
  snprintf(path, sizeof path, "/proc/%d/task/%d/stat", command, tid);
  FILE* file = fopen(path, "r");
  if (!file) return 0;
  const size_t length = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[length] = '\0';
  const char* name_end = strrchr(text, ')');
  return name_end && name_end[1] == ' ' && name_end[2] == 'R';
}

// Takes note of one report by the kernel, and lets the thread go on unless it is ours to hold.
static void note(pid_t tid, int status) {
  if (WIFEXITED(status) || WIFSIGNALED(status)) {
    if (tid == command) command_status = status, command_ended = 1;
    forget(tid);
    return;
  }
  struct thread* thread = find(tid);
  // A new one may report before the one that made it does.
  if (!thread) thread = add(tid);
  const int number = WSTOPSIG(status), event = status >> 16;
  if (event == PTRACE_EVENT_STOP && number == SIGTRAP) {
    if (thread->state == interrupted) {
      thread->state = stopped;
      return;
    }
    go_on(tid, 0);
  } else if (event == PTRACE_EVENT_STOP) {
    // The whole command was stopped by a signal, as it would be without us.
    ptrace(PTRACE_LISTEN, tid, NULL, NULL);
  } else if (event == PTRACE_EVENT_EXEC) {
    // The others are gone without a word, and this one has the first one's number.
    thread_count = 0;
    add(tid);
    go_on(tid, 0);
  } else if (event != 0) {
    go_on(tid, 0);
  } else {
    go_on(tid, number);
  }
}

// Takes note of what happens until `until`, or until `awaited` stands or is gone.
static void watch(long long until, pid_t awaited) {
  sigset_t children;
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  while (!command_ended) {
    int status;
    pid_t tid;
    while ((tid = waitpid(-1, &status, __WALL | WNOHANG)) > 0) note(tid, status);
    if (tid < 0 && errno == ECHILD) return;
    const struct thread* thread = awaited ? find(awaited) : NULL;
    if (awaited && (!thread || thread->state == stopped)) return;
    const long long left = until - now_us();
    if (left <= 0) return;
    const struct timespec limit = {left / 1000000, left % 1000000 * 1000};
    sigtimedwait(&children, NULL, &limit);
  }
}

// --- stopping them -----------------------------------------------------------------------------

// Three times of four one that computes: there are seldom many of those.
static pid_t choose(void) {
  if (thread_count == 0) return 0;
  pid_t chosen = threads[next_random((unsigned long)thread_count)].tid;
  if (next_random(4) == 0) return chosen;
  const int first = (int)next_random((unsigned long)thread_count);
  for (int i = 0; i < thread_count; ++i) {
    const pid_t tid = threads[(first + i) % thread_count].tid;
    if (is_running(tid)) return tid;
  }
  return chosen;
}

static void stop_one(long longest_ms) {
  const pid_t tid = choose();
  struct thread* thread = tid ? find(tid) : NULL;
  if (!thread) return;
  const int was_running = is_running(tid);
  thread->state = interrupted;
  if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) != 0) {
    thread->state = running;
    return;
  }
  watch(now_us() + patience_us, tid);
  thread = find(tid);
  // One that was given up is let go by note() when it does stop.
  if (!thread) return;
  if (thread->state != stopped) {
    thread->state = running;
    return;
  }
  ++stops;
  stops_while_running += was_running;
  watch(now_us() + 1000 + (long long)next_random((unsigned long)longest_ms * 1000 - 999), 0);
  thread = find(tid);
  if (!thread) return;
  thread->state = running;
  go_on(tid, 0);
}

// --- the command -------------------------------------------------------------------------------

static void launch(char** arguments, const sigset_t* mask) {
  int gate[2];
  char byte = 0;
  if (pipe(gate) != 0) die(failed, "pipe: %s", strerror(errno));
  command = fork();
  if (command < 0) die(failed, "fork: %s", strerror(errno));
  if (command == 0) {
    close(gate[1]);
    if (read(gate[0], &byte, 1) != 1) _exit(failed);
    close(gate[0]);
    sigprocmask(SIG_SETMASK, mask, NULL);
    execvp(arguments[0], arguments);
    fprintf(stderr, "stop_carriers: %s: %s\n", arguments[0], strerror(errno));
    _exit(127);
  }
  close(gate[0]);
  const long options = PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
  if (ptrace(PTRACE_SEIZE, command, NULL, (void*)options) != 0) {
    const int error = errno;
    kill(command, SIGKILL);
    waitpid(command, NULL, 0);
    die(error == EPERM || error == ENOSYS ? skipped : failed, "ptrace: %s", strerror(error));
  }
  add(command);
  if (write(gate[1], &byte, 1) != 1) die(failed, "write: %s", strerror(errno));
  close(gate[1]);
}

static unsigned long number(const char* name, const char* text, unsigned long lowest,
                            unsigned long highest) {
  char* end = NULL;
  errno = 0;
  const unsigned long value = text ? strtoul(text, &end, 10) : 0;
  if (!text || end == text || *end || errno || value < lowest || value > highest)
    die(failed, "%s takes a number from %lu to %lu", name, lowest, highest);
  return value;
}

int main(int count, char** arguments) {
  unsigned long seed = (unsigned long)time(NULL), seconds = 10, longest_ms = 50;
  const char* report = NULL;
  int next = 1;
  for (; next < count && strcmp(arguments[next], "--") != 0; next += 2) {
    const char *name = arguments[next], *value = next + 1 < count ? arguments[next + 1] : NULL;
    if (strcmp(name, "--seed") == 0)
      seed = number(name, value, 0, LONG_MAX);
    else if (strcmp(name, "--seconds") == 0)
      seconds = number(name, value, 0, 86400);
    else if (strcmp(name, "--longest") == 0)
      longest_ms = number(name, value, 1, 10000);
    else if (strcmp(name, "--report") == 0 && value)
      report = value;
    else
      die(failed,
          "usage: stop_carriers [--seed N] [--seconds S] [--longest MS] [--report FILE] "
          "-- command...");
  }
  if (next + 1 >= count) die(failed, "no command after --");

  sigset_t children, before;
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  sigprocmask(SIG_BLOCK, &children, &before);
  random_state = seed * 2654435761u + 0x9e3779b97f4a7c15u;
  launch(arguments + next + 1, &before);

  const long long until = now_us() + (long long)seconds * 1000000;
  while (!command_ended && now_us() < until) {
    watch(now_us() + (long long)next_random(longest_pause_us), 0);
    stop_one((long)longest_ms);
  }
  watch(LLONG_MAX / 2, 0);

  FILE* out = report ? fopen(report, "w") : stderr;
  if (out)
    fprintf(out, "stop_carriers: seed %lu: %ld stops, %ld of threads that ran\n", seed, stops,
            stops_while_running);
  if (out && report) fclose(out);
  if (!command_ended) die(failed, "the command was lost sight of");
  if (WIFEXITED(command_status)) return WEXITSTATUS(command_status);
  // As it ended, so do we.
  signal(WTERMSIG(command_status), SIG_DFL);
  raise(WTERMSIG(command_status));
  return 128 + WTERMSIG(command_status);
}
