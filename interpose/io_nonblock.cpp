// O_NONBLOCK of our own: where it may be, and taking it away in time.
//
// It is set only on descriptions that nobody else has, and withdrawn before that changes (fork,
// exec, dup, SCM_RIGHTS). Two threads race there: one that relies on the flag for a call, the other
// that withdraws it. The first announces itself in `gate`; the second closes the gate, waits until
// nobody is inside, withdraws, and marks what is shared from now on before it opens the gate again.
#include <fcntl.h>
#include <sys/ioctl.h>

#include "interpose/io.h"
#include "interpose/io_descriptor.h"

namespace vervet::interpose {
namespace io {
namespace {

// How many are inside; the top bit closes it.
std::atomic<uint32_t> gate{0};
constexpr uint32_t closed = 1u << 31;
lock closers;

void leave_gate() {
  if (gate.fetch_sub(1, std::memory_order_seq_cst) == (closed | 1)) sys::futex_wake(&gate, 1);
}

void enter_gate() {
  for (;;) {
    if ((gate.fetch_add(1, std::memory_order_seq_cst) & closed) == 0) return;
    leave_gate();
    // Closed for as long as a fork takes.
    closers.acquire();
    closers.release();
  }
}

void close_gate() {
  closers.acquire();
  uint32_t inside = gate.fetch_or(closed, std::memory_order_seq_cst);
  while ((inside & ~closed) != 0) {
    sys::futex_wait(&gate, inside | closed);
    inside = gate.load(std::memory_order_seq_cst);
  }
}

void open_gate() {
  gate.fetch_and(~closed, std::memory_order_seq_cst);
  closers.release();
}

// REQUIRES: the gate is closed.
void withdraw(int fd, descriptor& d) {
  if (d.hidden_nonblock.exchange(false, std::memory_order_relaxed)) set_nonblock(fd, false);
}

// with_nonblock() on one descriptor, one at a time: the first to finish would take the flag from
// the other.
constexpr unsigned turns = 32;
lock turn[turns];

// Calls visit(fd) for each descriptor that the message carries.
template <typename Visit>
void for_each_passed(const msghdr* message, Visit visit) {
  if (message == nullptr || message->msg_control == nullptr) return;
  auto* header = const_cast<msghdr*>(message);
  for (cmsghdr* c = CMSG_FIRSTHDR(header); c != nullptr; c = CMSG_NXTHDR(header, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    auto* numbers = reinterpret_cast<const int*>(CMSG_DATA(c));
    size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) visit(numbers[i]);
  }
}

// Cookies of sockets that this process created while it was dormant: the kernel never gives one
// twice.
constexpr unsigned most_births = 64;
uint64_t births[most_births];
std::atomic<unsigned> birth_count{0};

uint64_t cookie_of(int fd) {
  uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  sys::call(SYS_getsockopt, fd, SOL_SOCKET, SO_COOKIE, sys::word(&cookie), sys::word(&size));
  return cookie;
}

}  // namespace

nonblock_section::nonblock_section() { enter_gate(); }
nonblock_section::~nonblock_section() { leave_gate(); }

nonblock_turn::nonblock_turn(int fd) : place_(static_cast<unsigned>(fd) % turns) {
  turn[place_].acquire();
}
nonblock_turn::~nonblock_turn() { turn[place_].release(); }

bool set_nonblock(int fd, bool on) {
  int value = on ? 1 : 0;
  return sys::call(SYS_ioctl, fd, FIONBIO, sys::word(&value)) == 0;
}

bool hide_nonblock(int fd, descriptor& d) {
  if (d.shared.load(std::memory_order_seq_cst)) return false;
  if (!d.hidden_nonblock.exchange(true, std::memory_order_relaxed)) set_nonblock(fd, true);
  return true;
}

void share(int fd, descriptor& d) {
  bool was_shared = d.shared.exchange(true, std::memory_order_seq_cst);
  if (was_shared && !d.hidden_nonblock.load(std::memory_order_relaxed)) return;
  close_gate();
  withdraw(fd, d);
  open_gate();
}

void share_passed(const msghdr* message) {
  for_each_passed(message, [](int fd) {
    if (descriptor* d = known(fd)) share(fd, *d);
  });
}

void adopt_passed(const msghdr* message) {
  for_each_passed(message, [](int fd) { adopt_unknown(fd); });
}

void note_birth(int fd) {
  unsigned place = birth_count.load(std::memory_order_relaxed);
  if (place == most_births) return;
  births[place] = cookie_of(fd);
  birth_count.store(place + 1, std::memory_order_relaxed);
}

void forget_births() { birth_count.store(0, std::memory_order_relaxed); }

bool born_here(int fd) {
  unsigned count = birth_count.load(std::memory_order_relaxed);
  if (count == 0) return false;
  uint64_t cookie = cookie_of(fd);
  for (unsigned i = 0; i < count; ++i)
    if (births[i] == cookie) return true;
  return false;
}

}  // namespace io

void io_hold_nonblock() {
  // A handler that ran in between and opened a descriptor would wait for us.
  runtime_scope::enter();
  io::close_gate();
  for_each_descriptor([](int fd, descriptor& d) { io::withdraw(fd, d); });
  io::forget_births();
}

void io_release_nonblock() {
  io::open_gate();
  runtime_scope::leave();
}

void io_reveal_hidden_nonblock() {
  io_hold_nonblock();
  io_release_nonblock();
}

void io_forget() {
  io::gate.store(0, std::memory_order_relaxed);
  io::closers.reset();
  for (lock& t : io::turn) t.reset();
  io::forget_births();
}

}  // namespace vervet::interpose
