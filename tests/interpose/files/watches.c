// inotify and signalfd: a read waits for the event.
#include "../check.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

static int watch, signals;
static char directory[] = "/tmp/oracle-XXXXXX";

static void* wait_for_file(void* unused) {
  _Alignas(struct inotify_event) char buffer[4096];
  (void)unused;
  CHECK(read(watch, buffer, sizeof buffer) > 0);
  const struct inotify_event* event = (struct inotify_event*)buffer;
  say("inotify: %s '%s'", event->mask & IN_CREATE ? "created" : "?", event->name);
  return NULL;
}
static void* wait_for_signal(void* unused) {
  struct signalfd_siginfo info;
  CHECK(read(signals, &info, sizeof info) == sizeof info);
  say("signalfd: SIG%s", sigabbrev_np((int)info.ssi_signo));
  FACT("  from this process", info.ssi_pid == (uint32_t)getpid());
  return unused;
}

int main(void) {
  CHECK(mkdtemp(directory));
  watch = inotify_init1(0);
  CHECK(watch >= 0 && inotify_add_watch(watch, directory, IN_CREATE) >= 0);
  pthread_t thread = start(wait_for_file, NULL);
  settle();
  char path[64];
  snprintf(path, sizeof path, "%s/file", directory);
  CHECK(close(open(path, O_CREAT | O_WRONLY, 0600)) == 0);
  join(thread);
  CHECK(unlink(path) == 0 && rmdir(directory) == 0 && close(watch) == 0);

  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGUSR2);
  CHECK_OK(pthread_sigmask(SIG_BLOCK, &set, NULL));
  signals = signalfd(-1, &set, 0);
  CHECK(signals >= 0);
  thread = start(wait_for_signal, NULL);
  settle();
  CHECK(kill(getpid(), SIGUSR1) == 0);
  join(thread);
  CHECK(kill(getpid(), SIGUSR2) == 0);
  wait_for_signal(NULL);
  signals = signalfd(-1, &set, SFD_NONBLOCK);
  struct signalfd_siginfo info;
  FACT("non-blocking: EAGAIN", read(signals, &info, sizeof info) == -1 && errno == EAGAIN);
  return 0;
}
