// Facts about descriptors, and the one liberty we take with them: an O_NONBLOCK of our own on a
// description that nobody else can see.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "runtime/door.h"

namespace vervet::interpose::io {

// The entry of `fd`, classified if this is its first use. Null if `fd` is not open or lies beyond
// the table: then the kernel's answer is the right one.
descriptor* classified(int fd);
inline descriptor* known(int fd) {
  descriptor* d = descriptor_of(fd);
  bool is_known =
      d != nullptr && d->kind.load(std::memory_order_acquire) != descriptor_kind::unknown;
  return is_known ? d : classified(fd);
}

descriptor_kind socket_kind(int domain, int type, int protocol);
inline bool is_socket(const descriptor& d) {
  descriptor_kind kind = d.kind.load(std::memory_order_relaxed);
  return kind == descriptor_kind::tcp || kind == descriptor_kind::stream ||
         kind == descriptor_kind::datagram;
}
inline bool is_kind(const descriptor& d, descriptor_kind kind) {
  return d.kind.load(std::memory_order_relaxed) == kind;
}

// `fd` was created by a call that we saw: nobody else has it. What its number meant before is
// forgotten.
void adopt(int fd, descriptor_kind kind, bool nonblocking);
// `fd` was created by a call that does not tell what it is, or came from another process.
void adopt_unknown(int fd);
// `fd` came out of accept4(flags) on `listener`.
void adopt_accepted(int fd, const descriptor& listener, int flags);
// `to` is another number for the description of `from`.
void adopt_duplicate(int from, int to);

// True if the description has O_NONBLOCK: another process may have set it.
bool kernel_nonblocking(int fd);
// Options that decide how calls wait. SO_RCVTIMEO and SO_SNDTIMEO as nanoseconds; 0: none.
int64_t timeout_of(const timeval& t);
void learn_timeouts(int fd, descriptor& d);
void note_low_water(descriptor& d, int mark);
void note_linger(descriptor& d, const linger& l);

// ---- O_NONBLOCK of our own

// While one exists nobody withdraws an O_NONBLOCK of ours: what is called inside must not wait.
class nonblock_section {
 public:
  nonblock_section();
  ~nonblock_section();
  nonblock_section(const nonblock_section&) = delete;
  nonblock_section& operator=(const nonblock_section&) = delete;
};

// Sets O_NONBLOCK for good, hidden from F_GETFL. False if the description is shared, and so must
// not be touched. REQUIRES: inside a nonblock_section.
bool hide_nonblock(int fd, descriptor& d);

// Runs a call with O_NONBLOCK on the description, which is not shared.
// Returns false, and has called nothing, if the description is shared.
template <typename Call>
bool with_nonblock(int fd, descriptor& d, long& result, Call call);

// The description is about to get a second owner: takes our O_NONBLOCK away and leaves it alone for
// ever.
void share(int fd, descriptor& d);
// The same for each descriptor that a message passes on.
void share_passed(const msghdr* message);
// The descriptors that a message brought.
void adopt_passed(const msghdr* message);

// ---- Sockets from before the runtime woke: which of them are certainly ours alone.

// A dormant process created the socket `fd`.
void note_birth(int fd);
// A dormant process may have shared what it created: nothing is certain any more.
void forget_births();
bool born_here(int fd);

// ---- details

bool set_nonblock(int fd, bool on);

// Taking turns on one descriptor.
class nonblock_turn {
 public:
  explicit nonblock_turn(int fd);
  ~nonblock_turn();
  nonblock_turn(const nonblock_turn&) = delete;
  nonblock_turn& operator=(const nonblock_turn&) = delete;

 private:
  unsigned place_;
};

template <typename Call>
bool with_nonblock(int fd, descriptor& d, long& result, Call call) {
  nonblock_section section;
  if (d.shared.load(std::memory_order_seq_cst)) return false;
  nonblock_turn turn(fd);
  bool hidden = d.hidden_nonblock.load(std::memory_order_relaxed);
  if (!hidden) set_nonblock(fd, true);
  result = call();
  if (!hidden) set_nonblock(fd, false);
  return true;
}

}  // namespace vervet::interpose::io
