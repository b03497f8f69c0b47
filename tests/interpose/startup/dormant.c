// A program without threads has the process it would have natively: one kernel thread, the three
// standard descriptors, no signal handled, blocked or ignored, no limit changed.
#include "../check.h"

#include <dirent.h>
#include <sys/resource.h>
#include <sys/stat.h>

static int entries(const char* path) {
  DIR* directory = opendir(path);
  int count = 0;
  CHECK(directory);
  for (struct dirent* entry; (entry = readdir(directory));) count += entry->d_name[0] != '.';
  CHECK(closedir(directory) == 0);
  return count;
}

static void say_lines(const char* path, const char* const* keys) {
  char line[512];
  FILE* file = fopen(path, "r");
  CHECK(file);
  while (fgets(line, sizeof line, file)) {
    line[strcspn(line, "\n")] = 0;
    for (const char* const* key = keys; *key; ++key)
      if (strncmp(line, *key, strlen(*key)) == 0) say("%s", line);
  }
  CHECK(fclose(file) == 0);
}

static int mapped(const char* name) {
  char line[512];
  int count = 0;
  FILE* file = fopen("/proc/self/maps", "r");
  CHECK(file);
  while (fgets(line, sizeof line, file)) count += strstr(line, name) != NULL;
  CHECK(fclose(file) == 0);
  return count;
}

int main(void) {
  const char* const keys[] = {"Threads", "SigBlk",     "SigIgn", "SigCgt",
                              "SigPnd",  "NoNewPrivs", NULL};
  struct rlimit limit;
  say("descriptors, with the one to look: %d", entries("/proc/self/fd"));
  say("kernel threads: %d", entries("/proc/self/task"));
  say_lines("/proc/self/status", keys);
  const int limits[] = {RLIMIT_NOFILE, RLIMIT_STACK, RLIMIT_AS, RLIMIT_NPROC, RLIMIT_CORE};
  for (int i = 0; i < 5; ++i) {
    CHECK(getrlimit((__rlimit_resource_t)limits[i], &limit) == 0);
    say("limit %d: %ld of %ld", i, (long)limit.rlim_cur, (long)limit.rlim_max);
  }
  say("umask %o", umask(0));
  FACT("no C++ runtime", !mapped("libstdc++"));
  FACT("the stack is not executable", !mapped("rwxp"));
  FACT("the first new descriptor is 3", dup(0) == 3);
  return 0;
}
