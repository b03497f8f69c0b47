// exec in a thread replaces the whole process, which keeps its number and its descriptors.
#include "../check.h"

#include <fcntl.h>

static int ends[2];

static void* read_for_ever(void* unused) {
  char byte;
  CHECK(read(ends[0], &byte, 1) == 1);
  return unused;
}

static void* replace(void* path) {
  char number[16], kept[16], closed[16];
  const int cloexec = fcntl(ends[0], F_DUPFD_CLOEXEC, 0);
  snprintf(number, sizeof number, "%d", (int)getpid());
  snprintf(kept, sizeof kept, "%d", ends[0]);
  snprintf(closed, sizeof closed, "%d", cloexec);
  execl(path, path, number, kept, closed, (char*)NULL);
  return NULL;
}

int main(int count, char** arguments) {
  if (count == 4) {
    FACT("same process", atoi(arguments[1]) == getpid());
    const int kept = atoi(arguments[2]);
    FACT("the descriptor is there, and blocking",
         fcntl(kept, F_GETFL) >= 0 && (fcntl(kept, F_GETFL) & O_NONBLOCK) == 0);
    FACT("the close-on-exec one is not", fcntl(atoi(arguments[3]), F_GETFD) == -1);
    ends[0] = kept;
    pthread_t reader;
    CHECK_OK(pthread_create(&reader, NULL, read_for_ever, NULL));
    settle();
    CHECK_OK(pthread_cancel(reader));
    FACT("threads work anew", join(reader) == PTHREAD_CANCELED);
    return 0;
  }
  char path[4096];
  CHECK(pipe(ends) == 0);
  const ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  CHECK(length > 0);
  path[length] = 0;
  for (int i = 0; i < 5; ++i) start(read_for_ever, NULL);
  settle();
  join(start(replace, path));
  say("exec failed: %s", error_name(errno));
  return 1;
}
