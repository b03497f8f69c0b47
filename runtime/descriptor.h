// What is known of each file descriptor number, and waiting for its readiness.
//
// A descriptor is registered with the poller once, edge-triggered, for both directions, at its first
// wait. Readiness is a bit per direction: set by events, cleared by whoever finds nothing there. It is
// cleared before the system call that tests it and restored if there may be more, so an event that
// another carrier sets in between is never lost.
//
// Thread safety: all calls from any thread. Entries are type-stable: never freed, one per number.
#pragma once

#include <atomic>
#include <stdint.h>

#include "runtime/deadline.h"
#include "runtime/door_export.h"
#include "runtime/list.h"
#include "runtime/lock.h"
#include "runtime/parker.h"
#include "runtime/poller.h"

namespace vervet {

enum class descriptor_kind : uint8_t {
  unknown,       // not looked at yet
  tcp,           // stream socket of AF_INET/AF_INET6: short reads prove emptiness
  stream,        // other stream or seqpacket sockets
  datagram,      // datagram and raw sockets
  pipe,          // pipes and FIFOs
  counter,       // eventfd, timerfd: RWF_NOWAIT or poll first
  terminal,      // no RWF_NOWAIT: poll first
  epoll,         // the program's own epoll set
  pollable,      // anything else that epoll accepts: poll first
  never_parks,   // regular files, directories, /dev/null: the kernel never makes them wait
};

struct fd_waiter : list_hook {
  parker* who = nullptr;
  uint64_t epoch = 0;
  uint32_t events = 0;      // EPOLLIN, EPOLLOUT, EPOLLPRI, EPOLLRDHUP
  bool exclusive = false;   // one exclusive waiter is woken an event; it passes on what it leaves
  bool tries = false;       // an exclusive one that tries once it is woken, whatever the bit says
  bool trusts = false;      // one of the others, which does not ask the kernel: it is told of what is left
  int fd = -1;              // -1: not watching
};

struct alignas(64) descriptor {
  static constexpr uint32_t readable = 1;   // a read may find something
  static constexpr uint32_t writable = 2;   // a write may find room
  static constexpr uint32_t irregular = 4;  // RDHUP, HUP, ERR or PRI was seen: short reads prove nothing
  // A clear bit means something: a try has cleared it.
  static constexpr uint32_t tried_reading = 8;
  static constexpr uint32_t tried_writing = 16;

  // What a request needs lies in one cache line.
  std::atomic<uint32_t> ready{0};
  std::atomic<descriptor_kind> kind{descriptor_kind::unknown};
  std::atomic<bool> nonblocking{false};      // O_NONBLOCK as the program set it
  std::atomic<bool> hidden_nonblock{false};  // we set O_NONBLOCK on the description; hidden from F_GETFL
  std::atomic<bool> shared{false};           // another number or process may have this description
  std::atomic<bool> listening{false};
  std::atomic<bool> lingers{false};          // SO_LINGER with a time: close may wait
  std::atomic<uint32_t> generation{0};       // bumped at close: stale events are told by it
  std::atomic<uint32_t> registered{0};       // 0: not with a poller; else 1 + forks seen at that time
  std::atomic<uint32_t> home{0};             // with which: the number of a light hub, or the scheduler's
  std::atomic<uint32_t> waiting{0};          // how many are linked or about to link; changed under `mutex`
  lock mutex;                                // guards `waiters` and registration
  std::atomic<int> low_water{0};             // SO_RCVLOWAT if it is more than 1
  list<fd_waiter> waiters;
  std::atomic<int64_t> receive_timeout{0};   // SO_RCVTIMEO in ns, 0: none
  std::atomic<int64_t> send_timeout{0};
};

inline constexpr unsigned descriptor_numbers = 1u << 20;
VERVET_DOOR extern std::atomic<descriptor*> descriptor_table;
VERVET_DOOR extern std::atomic<int> highest_descriptor;  // that was ever asked for
VERVET_DOOR void note_descriptor(int fd);

// The entry of `fd`; null if the number is negative or beyond the table (then pass through).
inline descriptor* descriptor_of(int fd) {
  descriptor* table = descriptor_table.load(std::memory_order_acquire);
  if (static_cast<unsigned>(fd) >= descriptor_numbers || table == nullptr) [[unlikely]]
    return nullptr;
  if (fd > highest_descriptor.load(std::memory_order_relaxed)) [[unlikely]]
    note_descriptor(fd);
  return &table[fd];
}

// One of the two directions, and what is known of it.
struct direction {
  uint32_t events;  // EPOLLIN or EPOLLOUT
  uint32_t bit;
  uint32_t tried;
};
inline constexpr direction reading_direction = {1, descriptor::readable, descriptor::tried_reading};
inline constexpr direction writing_direction = {4, descriptor::writable, descriptor::tried_writing};

// False if there is certainly nothing there: parking at once saves asking the kernel. A bit that no
// try has ever cleared says nothing: the descriptor may be one that cannot move data this way at
// all.
[[gnu::always_inline]] inline bool worth_trying(const descriptor& d, const direction& to) {
  uint32_t seen = d.ready.load(std::memory_order_seq_cst);
  return (seen & (to.bit | to.tried)) != to.tried;
}

// Before each try: an event that comes after this is not overlooked.
[[gnu::always_inline]] inline void begin_try(descriptor& d, const direction& to) {
  if (!worth_trying(d, to)) return;  // clear as it is
  if (d.registered.load(std::memory_order_acquire) == 0) return;
  uint32_t before = d.ready.fetch_and(~to.bit, std::memory_order_seq_cst);
  if ((before & to.tried) == 0) [[unlikely]]
    d.ready.fetch_or(to.tried, std::memory_order_relaxed);
}

// Wakes the next exclusive waiter if readiness for `events` is left.
VERVET_DOOR void pass_on(descriptor& d, uint32_t events);

// After a try that did not prove that nothing is left. True if pass_on() is owed.
[[gnu::always_inline]] inline bool keep_rest(descriptor& d, const direction& to) {
  // If it is set, whoever clears it after this has the same duty.
  if ((d.ready.load(std::memory_order_seq_cst) & to.bit) == 0)
    d.ready.fetch_or(to.bit, std::memory_order_seq_cst);
  return d.waiting.load(std::memory_order_seq_cst) != 0;
}
inline void leave_rest(descriptor& d, const direction& to) {
  if (keep_rest(d, to)) pass_on(d, to.events);
}

// Tries `call`, a system call that says `again` if there is nothing. A read mostly takes all there is;
// room to write is mostly left: there the bit is cleared by whoever finds none, and then tries again.
// What is left is the caller's to tell.
template <typename Call, typename Result>
[[gnu::always_inline]] inline auto try_call(descriptor& d, const direction& to, Call call, Result again) {
  if (to.bit == descriptor::writable) {
    auto result = call();
    if (!again(result)) return result;
  }
  begin_try(d, to);
  return call();
}

enum class readiness : uint8_t {
  ready,        // try the operation (again)
  timed_out,
  closed,       // the descriptor was closed or replaced meanwhile: EBADF
  interrupted,  // see handle_interruption(); nothing has run yet
  cut,          // a scope is due, or a kill (scope.h)
  unpollable,   // epoll does not take it: do the operation, it will not wait
};

// How a wait for a descriptor is meant.
struct wait_options {
  wait_class interruptible = wait_class::fallible;
  // The number may have got another meaning unseen, so nothing that is known of it counts.
  bool renew = false;
  // After `ready` the caller tries at once, without a look at the bit, which may be clear: what it got is
  // its own until it has left some.
  bool tries = false;
  // The caller has asked the kernel of `generation`: if the number was retired since, `closed`.
  bool asked = false;
  uint32_t generation = 0;
};

// Sleeps until `events` (EPOLLIN or EPOLLOUT) may be possible on `fd`, whose entry `d` is. The first of several
// sleepers is woken; if it leaves readiness behind it must call pass_on().
VERVET_DOOR readiness wait_ready(int fd, descriptor& d, uint32_t events, wait_for what, deadline until,
                                 wait_options options = {});
inline readiness wait_ready(int fd, uint32_t events, wait_for what, deadline until,
                            wait_options options = {}) {
  descriptor* d = descriptor_of(fd);
  return d == nullptr ? readiness::unpollable : wait_ready(fd, *d, events, what, until, options);
}

// For waits on several descriptors (poll, select). The caller arms its parker, watches each descriptor,
// looks whether something is ready already (poll with timeout 0), parks, and unwatches each.
// watch() returns false if epoll does not take the descriptor.
VERVET_DOOR bool watch(fd_waiter& waiter, parker& self, uint64_t epoch, int fd, uint32_t events);
// The same with `renew`, and the reason: 0, EBADF, EPERM, EMFILE.
int watch_anew(fd_waiter& waiter, parker& self, uint64_t epoch, int fd, uint32_t events);
// The same for who trusts the bit of `events` (EPOLLIN or EPOLLOUT) and asks nobody. EALREADY, and no watch, if it
// is set.
int watch_known(fd_waiter& waiter, parker& self, uint64_t epoch, int fd, uint32_t events);
VERVET_DOOR void unwatch(fd_waiter& waiter);

// The number is about to be closed or replaced: wakes all its waiters with `closed`, removes the
// registration if the description may outlive the number, and forgets what was known.
// Call before the system call that closes.
VERVET_DOOR void retire_descriptor(int fd);

// Closes a descriptor of the runtime's that was waited on (a pidfd, a signalfd), and makes `fd` -1.
// No effect on -1.
VERVET_DOOR void close_waited(int& fd);

// True for the runtime's own descriptors (the poller's): the program must not close or see them.
VERVET_DOOR bool runtime_owns_descriptor(int fd);
// The lowest of them that is >= `first`; -1 if there is none.
VERVET_DOOR int runtime_descriptor_from(int first);

// Maps the table; at wake-up. Returns false if memory is short.
VERVET_DOOR bool descriptors_start();

// What the poller has told: makes flows runnable.
void descriptor_events(const poll_event* events, int count);

// The process forked: from now on every description that existed is shared with the child.
VERVET_DOOR void descriptors_forked();
// In the child: nobody waits, nothing is registered.
void descriptors_forget();

// Visits every entry below the highest number ever seen.
VERVET_DOOR void for_each_descriptor(void (*visit)(int fd, descriptor& d));

}  // namespace vervet
