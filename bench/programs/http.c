// HTTP clients: one file, over and over, on one connection or on a new one each time.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"

static char request[64];
static unsigned char body[8 << 10];
static size_t body_size;

// The server serves the directory of `path`.
static void prepare(const char* path, int minor) {
  FILE* file = fopen(path, "rb");
  if (!file) die("%s cannot be read", path);
  body_size = fread(body, 1, sizeof body, file);
  fclose(file);
  const char* name = strrchr(path, '/');
  snprintf(request, sizeof request, "GET %s HTTP/1.%d\r\nHost: 127.0.0.1\r\n\r\n",
           name ? name : path, minor);
}

static void prepare_keep(const char* path) { prepare(path, 1); }
static void prepare_close(const char* path) { prepare(path, 0); }

static void ask(struct client* client) { put(client, request, strlen(request)); }

static size_t answered(struct client* client) {
  const char* in = (const char*)client->in;
  const char* end = memmem(in, client->held, "\r\n\r\n", 4);
  if (!end) return 0;
  if (memcmp(in, "HTTP/1.", 7) != 0 || memcmp(in + 8, " 200 ", 5) != 0) {
    die("client %u: not an answer: %.40s", client->number, in);
  }
  static const char field[] = "\r\nContent-Length: ";
  const char* length = memmem(in, (size_t)(end - in), field, sizeof field - 1);
  size_t head = (size_t)(end - in) + 4;
  if (!length || strtoul(length + sizeof field - 1, NULL, 10) != body_size) {
    die("client %u: the answer has another length", client->number);
  }
  if (client->held < head + body_size) return 0;
  if (memcmp(in + head, body, body_size) != 0) die("client %u: wrong bytes", client->number);
  return head + body_size;
}

const struct protocol http_keep = {
    .name = "http_keep",
    .argument = "FILE",
    .prepare = prepare_keep,
    .ask = ask,
    .answered = answered,
};

const struct protocol http_close = {
    .name = "http_close",
    .argument = "FILE",
    .reconnects = 1,
    .prepare = prepare_close,
    .ask = ask,
    .answered = answered,
};
