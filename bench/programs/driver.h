// The load for real programs: clients that ask, each as soon as it has its answer, and check it.
#ifndef VERVET_BENCH_PROGRAMS_DRIVER_H
#define VERVET_BENCH_PROGRAMS_DRIVER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { in_size = 16 << 10, out_size = 4 << 10 };

struct ssl_st;

// Where a client stands.
enum stage {
  stage_away,        // has no connection
  stage_connecting,  // the kernel is connecting it
  stage_tls,         // in the TLS handshake
  stage_signing_on,  // connected; the protocol has not let it in yet
  stage_ready,       // may ask
  stage_asking,      // waits for an answer
  stage_leaving,     // has its answer, waits for the server to close
};

struct client {
  int fd;
  enum stage stage;
  unsigned number;     // of this client among all, from 0
  uint64_t turn;       // requests asked so far
  uint64_t asked;      // when the last was asked, monotonic nanoseconds
  struct ssl_st* tls;  // null without TLS
  size_t held;         // bytes of in
  size_t unsent, end;  // what of out is still to be sent
  unsigned char in[in_size];
  unsigned char out[out_size];
};

// What a program speaks. Whoever finds a wrong answer calls die().
struct protocol {
  const char* name;
  const char* argument;  // what the last word of the command line means; null: there is none
  int tls;               // the argument names the certificate that the server must show
  int reconnects;        // the server closes after each answer
  void (*prepare)(const char* argument);  // once, before all; may be null

  // sign_on() looks at what the server has said so far: 1 when the client is in. It may put an
  // answer of its own into out. Null: there is nothing to say.
  int (*sign_on)(struct client* client);

  // ask() puts the next request into out.
  void (*ask)(struct client* client);

  // answered() gives the size of the answer that in begins with, checked; 0 if it is not all there.
  size_t (*answered)(struct client* client);

  // sign_off() puts what a client says before it closes. Null: there is nothing to say.
  void (*sign_off)(struct client* client);
};

extern const struct protocol http_keep, http_close, mariadb_read, mariadb_write, stunnel_echo;

// die() ends the process with a message: a wrong answer, a lost connection.
__attribute__((noreturn, format(printf, 1, 2))) void die(const char* format, ...);

// put() makes `size` bytes what is to be sent.
void put(struct client* client, const void* data, size_t size);

// tls_*: as connect, recv and send on a socket that does not block, -1 with EAGAIN included.
void tls_prepare(const char* certificate);
void tls_begin(struct client* client);
int tls_handshake(struct client* client);
ssize_t tls_read(struct client* client, void* data, size_t size);
ssize_t tls_write(struct client* client, const void* data, size_t size);
void tls_end(struct client* client);

// The figures of one window of time.
uint64_t now_ns(void);
void measure_begin(pid_t server);
void measure_answer(uint64_t ns);
void measure_look(void);  // at the server's threads; from time to time
void measure_end(void);
void measure_print(const char* work, const char* subject, unsigned clients);

#endif
