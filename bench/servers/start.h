// How every server of ours starts: its two arguments, its listening socket, its one line.
#ifndef BENCH_START_H
#define BENCH_START_H

#include "service.h"

#ifdef __cplusplus
extern "C" {
#endif

struct arguments {
  enum service service;
  int workers;
};

// PROGRAM SERVICE WORKERS. Ends the program with status 2 and one line if they make no sense, or
// ask for more workers than `most_workers`. Raises the limit of descriptors.
struct arguments arguments_of(int argc, char** argv, int most_workers);

// A socket that listens on a port of 127.0.0.1 that the kernel has chosen; what it accepts has
// TCP_NODELAY. Ends the program with one line if there is none. `flags`: SOCK_NONBLOCK or 0.
int listen_on_loopback(int flags);

// Prints `listening on PORT`.
void announce(int listener);

#ifdef __cplusplus
}
#endif

#endif
