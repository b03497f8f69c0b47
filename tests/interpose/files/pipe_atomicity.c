// Writes of up to PIPE_BUF bytes are never interleaved, however many writers block.
#include "../check.h"

#include <limits.h>

enum { writers = 8, records = 100 };
static int ends[2];

static void* write_records(void* argument) {
  const int me = (int)(long)argument;
  char record[PIPE_BUF];
  memset(record, 'A' + me, sizeof record);
  for (int i = 0; i < records; ++i) {
    const size_t size = i % 2 ? sizeof record : sizeof record - 96;
    record[0] = (char)(size == sizeof record);
    CHECK(write(ends[1], record, size) == (ssize_t)size);
  }
  return NULL;
}

static void read_exactly(char* into, size_t size) {
  for (size_t have = 0; have < size;) {
    const ssize_t got = read(ends[0], into + have, size - have);
    CHECK(got > 0);
    have += (size_t)got;
  }
}

int main(void) {
  pthread_t all[writers];
  int torn = 0;
  CHECK(pipe(ends) == 0);
  for (long i = 0; i < writers; ++i) all[i] = start(write_records, (void*)i);
  for (int i = 0; i < writers * records; ++i) {
    char record[PIPE_BUF];
    read_exactly(record, 1);
    const size_t size = record[0] ? sizeof record : sizeof record - 96;
    CHECK(record[0] == 0 || record[0] == 1);
    read_exactly(record + 1, size - 1);
    for (size_t at = 2; at < size; ++at) torn += record[at] != record[1];
    if (i % 50 == 0) usleep(500);
  }
  for (int i = 0; i < writers; ++i) join(all[i]);
  say("records %d, torn %d", writers * records, torn);
  return 0;
}
