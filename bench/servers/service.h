// The bytes of the three services, the same for every server and for the load generator.
//
//   echo    what comes goes back, until the end of the stream
//   http    each request head (it ends with a blank line) is answered with http_answer; keep-alive
//   stream  each line `go N` is answered with stream_chunks chunks of stream_chunk_size bytes, and
//           think_time_ms of sleep before each; byte i of chunk c is 'a' + (N + c + i) % 26
#ifndef BENCH_SERVICE_H
#define BENCH_SERVICE_H

#ifdef __cplusplus
#include <cstddef>
#include <cstdint>
#include <cstring>
#else
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#endif

enum service { service_echo, service_http, service_stream };

enum {
  echo_buffer_size = 16384,    // an echo reads as much at a time
  request_buffer_size = 4096,  // a request of http or stream is shorter; else the server closes
  stream_chunks = 8,
  stream_chunk_size = 1024,
  think_time_ms = 10
};

#define HTTP_BODY "Hello, world!"
static const char http_body[] = HTTP_BODY;
static const char http_answer[] =
    "HTTP/1.1 200 OK\r\nContent-Length: 13\r\nContent-Type: text/plain\r\n\r\n" HTTP_BODY;
static const size_t http_answer_size = sizeof http_answer - 1;

// The size of the first whole request in `data`, its end mark included; 0 if there is none yet.
static inline size_t request_size(enum service service, const char* data, size_t size) {
  if (service == service_stream) {
    const char* end = (const char*)memchr(data, '\n', size);
    return end == NULL ? 0 : (size_t)(end + 1 - data);
  }
  for (const char* at = data; (at = (const char*)memchr(at, '\r', (size_t)(data + size - at)));
       ++at) {
    if (data + size - at < 4) return 0;
    if (memcmp(at, "\r\n\r\n", 4) == 0) return (size_t)(at + 4 - data);
  }
  return 0;
}

// The N of a line `go N\n`; -1 if it is something else.
static inline int64_t stream_request(const char* line, size_t size) {
  if (size < 5 || size > 16 || memcmp(line, "go ", 3) != 0) return -1;
  int64_t number = 0;
  for (size_t i = 3; i + 1 < size; ++i) {
    if (line[i] < '0' || line[i] > '9') return -1;
    number = number * 10 + (line[i] - '0');
  }
  return number;
}

// The bytes of chunk `chunk` of the answer to `go N`.
#define BENCH_LETTERS "abcdefghijklmnopqrstuvwxyz"
#define BENCH_6_TIMES(text) text text text text text text
static inline const char* stream_chunk(int64_t number, unsigned chunk) {
  static const char letters[] =
      BENCH_6_TIMES(BENCH_6_TIMES(BENCH_LETTERS)) BENCH_6_TIMES(BENCH_LETTERS);
  return letters + (number + chunk) % 26;
}

#endif
