#define _GNU_SOURCE
#include "exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../servers/service.h"

enum { payload_head = 16, pool_shifts = 4096 };

// Payloads are pieces of this, each behind a head of its own.
static char pool[pool_shifts + longest_request];

void exchange_start(void) {
  uint64_t state = 88172645463325252u;
  for (size_t i = 0; i < sizeof pool; ++i) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    pool[i] = (char)(state >> 32);
  }
}

// ---- echo

static void payload_start(const struct exchange* e, char out[payload_head]) {
  uint64_t mixed = (((uint64_t)e->connection << 32) | e->sequence) * 0x9e3779b97f4a7c15u;
  memcpy(out, &e->connection, 4);
  memcpy(out + 4, &e->sequence, 4);
  memcpy(out + 8, &mixed, 8);
}

static const char* payload_rest(const struct exchange* e) {
  return pool + (e->connection * 17 + e->sequence * 61) % pool_shifts;
}

static enum verdict check_echo(size_t whole, struct exchange* e, const char* data, size_t size) {
  if (size > whole - e->seen) return answer_wrong;
  if (e->seen < payload_head) {
    char head[payload_head];
    payload_start(e, head);
    size_t part = payload_head - e->seen < size ? payload_head - e->seen : size;
    if (memcmp(head + e->seen, data, part) != 0) return answer_wrong;
    e->seen += part;
    data += part;
    size -= part;
  }
  if (memcmp(payload_rest(e) + e->seen - payload_head, data, size) != 0) return answer_wrong;
  e->seen += size;
  return e->seen == whole ? answer_complete : answer_incomplete;
}

// ---- stream

static uint32_t stream_number(const struct exchange* e) {
  return (e->connection * 1000003u + e->sequence) % 1000000000u;
}

static enum verdict check_stream(struct exchange* e, const char* data, size_t size) {
  uint32_t number = stream_number(e);
  while (size > 0) {
    size_t chunk = e->seen / stream_chunk_size, at = e->seen % stream_chunk_size;
    if (chunk == stream_chunks) return answer_wrong;
    size_t part = stream_chunk_size - at < size ? stream_chunk_size - at : size;
    if (memcmp(stream_chunk(number, (unsigned)chunk) + at, data, part) != 0) return answer_wrong;
    e->seen += part;
    data += part;
    size -= part;
  }
  return e->seen == stream_chunks * stream_chunk_size ? answer_complete : answer_incomplete;
}

// ---- http

// The value of a header in [head, end), behind its name; null if it is not there.
static const char* header(const char* head, const char* end, const char* name) {
  size_t length = strlen(name);
  for (const char* line = head; line < end;) {
    const char* next = memmem(line, (size_t)(end - line), "\r\n", 2);
    if (next == NULL) return NULL;
    if ((size_t)(next - line) > length && strncasecmp(line, name, length) == 0) {
      const char* value = line + length;
      while (*value == ' ') ++value;
      return value;
    }
    line = next + 2;
  }
  return NULL;
}

static enum verdict judge_http(const char* data, size_t size) {
  const char* blank = memmem(data, size, "\r\n\r\n", 4);
  if (blank == NULL) return answer_incomplete;
  const char* body = blank + 4;
  size_t got = (size_t)(data + size - body), whole = strlen(http_body);
  if (strncmp(data, "HTTP/1.1 200 ", 13) != 0) return answer_wrong;
  const char* length = header(data, body, "Content-Length:");
  const char* type = header(data, body, "Content-Type:");
  if (length == NULL || strtoul(length, NULL, 10) != whole) return answer_wrong;
  if (type == NULL || strncmp(type, "text/plain", 10) != 0) return answer_wrong;
  if (got > whole || memcmp(body, http_body, got) != 0) return answer_wrong;
  return got == whole ? answer_complete : answer_incomplete;
}

static enum verdict check_http(struct exchange* e, const char* data, size_t size) {
  if (e->head == NULL) {
    enum verdict verdict = judge_http(data, size);
    if (verdict != answer_incomplete) return verdict;
    e->head = malloc(longest_head);
    if (e->head == NULL) return answer_wrong;
  }
  if (size > longest_head - e->seen) return answer_wrong;
  memcpy(e->head + e->seen, data, size);
  e->seen += size;
  enum verdict verdict = judge_http(e->head, e->seen);
  if (verdict == answer_incomplete) return verdict;
  free(e->head);
  e->head = NULL;
  return verdict;
}

// ---- all

size_t exchange_request(const struct options* of, const struct exchange* e,
                        char out[longest_request]) {
  switch (of->work) {
    case work_http:
      return (size_t)sprintf(out, "GET /%u/%u HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", e->connection,
                             e->sequence);
    case work_stream: return (size_t)sprintf(out, "go %u\n", stream_number(e));
    default: break;
  }
  payload_start(e, out);
  memcpy(out + payload_head, payload_rest(e), (size_t)of->size - payload_head);
  return (size_t)of->size;
}

enum verdict exchange_check(const struct options* of, struct exchange* e, const char* data,
                            size_t size) {
  switch (of->work) {
    case work_http: return check_http(e, data, size);
    case work_stream: return check_stream(e, data, size);
    default: return check_echo((size_t)of->size, e, data, size);
  }
}
