// What the load generator was asked for.
#pragma once

#include <stdbool.h>

enum work { work_echo, work_http, work_stream, work_churn };

struct options {
  enum work work;
  int port;
  int connections;
  int size;        // bytes of an echo
  double seconds;  // of the measured window
  double warmup;
  int pid;            // whose CPU time is measured; 0: nobody's
  int cpu;            // to run on; -1: any
  int addresses;      // client addresses, 127.0.0.2 and following; 0: the kernel chooses
  bool system_calls;  // count the server's, in a window of their own
  bool ceiling;       // only tell what the generator itself could do
};

// Ends the program with status 2 and one line if the arguments make no sense.
struct options options_of(int argc, char** argv);
