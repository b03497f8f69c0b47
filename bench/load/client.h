// The connections: each asks, waits for the whole answer, checks it, asks again.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "exchange.h"
#include "histogram.h"
#include "options.h"

struct connection {
  int fd;  // -1: not connected
  enum { connecting, asking, closing, resting } state;
  int64_t begun;  // when the request began (churn: the connection)
  size_t sent;    // of the request
  struct exchange exchange;
};

struct client {
  const struct options* options;
  int epoll;
  struct connection* connections;
  int opened;      // how many connections have been begun
  int under_way;   // exchanges that have begun and not ended
  uint64_t ended;  // exchanges that have
  bool goes_on;    // a connection whose exchange has ended begins the next
  bool measures;   // what ends is counted
  struct histogram latencies;
};

// Ends the program with one line if descriptors or memory are short.
void client_start(struct client* c, const struct options* options);

// Opens the next connection; it rests after one exchange.
void client_open_next(struct client* c);

// Every connection begins an exchange, and another when it ends. REQUIRES: all rest.
void client_begin_all(struct client* c);

// Handles what happens until `until` (of now_ns()), or within one round if that is earlier. A wrong
// answer or a lost connection ends the program with status 1 and one line.
void client_look(struct client* c, int64_t until);

void client_close_all(struct client* c);
