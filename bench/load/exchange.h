// What is sent and what must come back: the bytes of each work.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "options.h"

enum { longest_request = 16384, longest_head = 1024 };

// One request of one connection, and how much of its answer has come.
struct exchange {
  uint32_t connection;
  uint32_t sequence;
  size_t seen;
  char* head;  // http alone: an answer that has come in part; null if there is none
};

enum verdict { answer_incomplete, answer_complete, answer_wrong };

// Once, before everything else.
void exchange_start(void);

// Writes the request to `out`; returns its size. The same each time it is asked.
size_t exchange_request(const struct options* of, const struct exchange* e,
                        char out[longest_request]);

// The next `size` bytes of the answer have come.
enum verdict exchange_check(const struct options* of, struct exchange* e, const char* data,
                            size_t size);
