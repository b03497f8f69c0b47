// popen and pclose. The child of a stream is known from a table; libc's own records stay out of it.
#include <paths.h>

#include "interpose/dormant.h"
#include "interpose/io.h"
#include "interpose/process.h"
#include "interpose/real.h"

using namespace vervet;
using namespace vervet::interpose;

namespace {

struct opened {
  FILE* stream;
  pid_t pid;
  opened* next;
};
// A pthread mutex, because the allocator may park below it.
pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
opened* all;

class table_guard {
 public:
  table_guard() { pthread_mutex_lock(&mutex); }
  ~table_guard() { pthread_mutex_unlock(&mutex); }
  table_guard(const table_guard&) = delete;
  table_guard& operator=(const table_guard&) = delete;
};

struct request {
  bool reads = false;
  bool writes = false;
  bool close_on_exec = false;
};

// The letters of `mode`; false if it is not what popen takes.
bool parse(const char* mode, request& r) {
  for (; *mode != '\0'; ++mode) {
    if (*mode == 'r')
      r.reads = true;
    else if (*mode == 'w')
      r.writes = true;
    else if (*mode == 'e')
      r.close_on_exec = true;
    else
      return false;
  }
  return r.reads != r.writes;
}

// Streams of earlier popen() calls that are still open are closed in the child, as POSIX says.
void close_others(posix_spawn_file_actions_t* actions, int kept) {
  table_guard guard;
  for (opened* o = all; o != nullptr; o = o->next) {
    int fd = fileno(o->stream);
    if (fd >= 0 && fd != kept) posix_spawn_file_actions_addclose(actions, fd);
  }
}

int start(const char* command, int childs_end, int standard, pid_t* pid) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  close_others(&actions, standard);
  // Also clears close-on-exec if the two are the same.
  posix_spawn_file_actions_adddup2(&actions, childs_end, standard);
  const char* arguments[] = {"sh", "-c", command, nullptr};
  int error =
      posix_spawn(pid, _PATH_BSHELL, &actions, nullptr, const_cast<char**>(arguments), environ);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

FILE* fail(int error, opened* o, int first, int second) {
  free(o);
  close(first);
  close(second);
  errno = error;
  return nullptr;
}

// Takes the stream's record out of the table; null if it is not one of ours.
opened* take(FILE* stream) {
  table_guard guard;
  for (opened** link = &all; *link != nullptr; link = &(*link)->next) {
    opened* o = *link;
    if (o->stream != stream) continue;
    *link = o->next;
    return o;
  }
  return nullptr;
}

}  // namespace

namespace vervet::interpose {

void popen_forked_child() { pthread_mutex_init(&mutex, nullptr); }

}  // namespace vervet::interpose

EXPORT FILE* popen(const char* command, const char* mode) {
  if (!on_fiber()) return real().popen(command, mode);
  request r;
  if (!parse(mode, r)) {
    errno = EINVAL;
    return nullptr;
  }
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return nullptr;
  int ours = r.reads ? ends[0] : ends[1];
  int childs = r.reads ? ends[1] : ends[0];
  auto* o = static_cast<opened*>(malloc(sizeof(opened)));
  if (o == nullptr) return fail(ENOMEM, nullptr, ours, childs);
  int error = start(command, childs, r.reads ? STDOUT_FILENO : STDIN_FILENO, &o->pid);
  if (error != 0) return fail(error, o, ours, childs);
  close(childs);
  if (!r.close_on_exec) fcntl(ours, F_SETFD, 0);
  o->stream = fdopen(ours, r.reads ? "r" : "w");
  if (o->stream == nullptr) return fail(errno, o, ours, -1);
  FILE* stream = o->stream;
  table_guard guard;
  o->next = all;
  all = o;
  return stream;
}

EXPORT int pclose(FILE* stream) {
  opened* o = take(stream);
  if (o == nullptr) return real().pclose(stream);
  pid_t pid = o->pid;
  free(o);
  fclose(stream);
  int status;
  pid_t waited;
  do {
    waited = waitpid(pid, &status, 0);
  } while (waited < 0 && errno == EINTR);
  return waited == pid ? status : -1;
}
