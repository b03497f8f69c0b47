// Regular files from many threads: pread and pwrite, vectors, appending, seeking, stdio.
#include "../check.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>

enum { threads = 20, records = 100, record = 64 };
static int file, right;
static FILE* stream;

static void* write_own_records(void* argument) {
  const int me = (int)(long)argument;
  char data[record], back[record];
  memset(data, 'a' + me, sizeof data);
  for (int i = 0; i < records; ++i) {
    const off_t at = (off_t)(i * threads + me) * record;
    struct iovec parts[2] = {{data, 10}, {data + 10, record - 10}};
    if (i % 2)
      CHECK(pwrite(file, data, record, at) == record);
    else
      CHECK(pwritev(file, parts, 2, at) == record);
    struct iovec into[2] = {{back, 30}, {back + 30, record - 30}};
    memset(back, 0, sizeof back);
    if (i % 3)
      CHECK(pread(file, back, record, at) == record);
    else
      CHECK(preadv(file, into, 2, at) == record);
    if (memcmp(data, back, record) == 0) __atomic_add_fetch(&right, 1, __ATOMIC_RELAXED);
    if (i % 20 == 0) sched_yield();
  }
  return NULL;
}

static void* print_lines(void* argument) {
  for (int i = 0; i < records; ++i)
    CHECK(fprintf(stream, "thread %02ld line %03d\n", (long)argument, i) == 19);
  return NULL;
}

static void in_threads(void* (*body)(void*)) {
  pthread_t all[threads];
  for (long i = 0; i < threads; ++i) all[i] = start(body, (void*)i);
  for (int i = 0; i < threads; ++i) join(all[i]);
}

int main(void) {
  char path[] = "/tmp/oracle-XXXXXX", line[64];
  struct stat status;
  file = mkstemp(path);
  CHECK(file >= 0);
  in_threads(write_own_records);
  CHECK(fstat(file, &status) == 0);
  say("records right %d, size %ld", right, (long)status.st_size);
  say("the offset did not move: %ld", (long)lseek(file, 0, SEEK_CUR));
  say("read at the end: %zd", pread(file, line, 1, status.st_size));
  FACT("read of a short rest", pread(file, line, sizeof line, status.st_size - 5) == 5);

  CHECK(ftruncate(file, 0) == 0);
  stream = fdopen(file, "w+");
  CHECK(stream);
  in_threads(print_lines);
  CHECK(fflush(stream) == 0);
  rewind(stream);
  int lines = 0, whole = 0, thread, number;
  while (fgets(line, sizeof line, stream)) {
    ++lines;
    whole += strlen(line) == 19 && sscanf(line, "thread %d line %d", &thread, &number) == 2;
  }
  say("lines printed at once: %d, whole: %d", lines, whole);
  CHECK(fclose(stream) == 0 && unlink(path) == 0);
  return 0;
}
