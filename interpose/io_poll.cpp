// Waits on several descriptors: ask the kernel; else watch them all, ask again, park, ask again.
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "interpose/io.h"
#include "interpose/io_wait.h"

namespace vervet::interpose::io {
namespace {

// Waiters for `count` descriptors: here if few, else in memory of their own (stacks may be 16 KiB).
class waiter_array {
 public:
  explicit waiter_array(size_t count) : count_(count) {
    if (count <= few) return;
    // Zeroed memory is an array of fd_waiter but for `fd`.
    elsewhere_ = static_cast<fd_waiter*>(sys::map(
        nullptr, count * sizeof(fd_waiter), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS));
    for (size_t i = 0; elsewhere_ != nullptr && i < count; ++i) elsewhere_[i].fd = -1;
  }
  ~waiter_array() {
    if (elsewhere_ != nullptr) sys::unmap(elsewhere_, count_ * sizeof(fd_waiter));
  }
  waiter_array(const waiter_array&) = delete;
  waiter_array& operator=(const waiter_array&) = delete;

  bool complete() const { return count_ <= few || elsewhere_ != nullptr; }
  size_t size() const { return count_; }
  fd_waiter& operator[](size_t i) { return elsewhere_ != nullptr ? elsewhere_[i] : here_[i]; }

 private:
  static constexpr size_t few = 12;
  size_t count_;
  fd_waiter* elsewhere_ = nullptr;
  fd_waiter here_[few];
};

constexpr long interrupted = -4095;  // no error number is that large

// `ask` is the poll that does not wait; `watch_all(self, epoch)` watches what it asks about, and
// returns false if there is certainly nothing yet, which saves the first asking. Returns what `ask`
// says if not 0, 0 once `until` has passed, or `interrupted`.
template <typename Ask, typename WatchAll>
long ask_and_park(waiter_array& waiters, deadline until, Ask ask, WatchAll watch_all) {
  for (;;) {
    parker& self = self_parker();
    bool worth_asking = watch_all(self, self.arm(wait_class::fallible));
    long found = worth_asking ? ask() : 0;
    wake_reason reason = wake_reason::ready;
    if (found == 0)
      reason = park(self, wait_for::poll, until);
    else
      disarm(self);
    for (size_t i = 0; i < waiters.size(); ++i) unwatch(waiters[i]);
    if (reason == wake_reason::interrupted) return interrupted;
    if (reason == wake_reason::cut && scope::due()) return -ECANCELED;
    if (found == 0) found = ask();
    if (found != 0 || reason == wake_reason::timed_out) return found;
  }
}

// Handlers run out here, where nothing is held: they may jump away, a cancellation never returns.
// Waits on several descriptors never restart after one.
template <typename Wait>
long unless_interrupted(Wait wait) {
  for (;;) {
    long result = wait();
    if (result != interrupted) return result;
    long error = after_interruption(false);
    if (error != 0) return error;
  }
}

uint32_t epoll_events_of(short events) {
  uint32_t wanted = 0;
  if (events & (POLLIN | POLLRDNORM | POLLRDBAND)) wanted |= EPOLLIN;
  if (events & (POLLOUT | POLLWRNORM | POLLWRBAND)) wanted |= EPOLLOUT;
  if (events & POLLPRI) wanted |= EPOLLPRI;
  if (events & POLLRDHUP) wanted |= EPOLLRDHUP;
  return wanted;
}

// The kernel gives up for a signal even where there is nothing to wait for. It may be one of ours.
long ask_poll(pollfd* fds, size_t count) {
  long result;
  do result = sys::call(SYS_poll, sys::word(fds), static_cast<long>(count), 0);
  while (result == -EINTR);
  return result;
}

// The direction if it is one that a readiness bit speaks of, else 0. (The end of a stream and
// urgent data are something to read.)
uint32_t single_direction(short events) {
  uint32_t wanted = epoll_events_of(events);
  if ((wanted & EPOLLIN) != 0) wanted &= ~static_cast<uint32_t>(EPOLLPRI);
  wanted &= ~static_cast<uint32_t>(EPOLLRDHUP);
  return wanted == EPOLLIN || wanted == EPOLLOUT ? wanted : 0;
}

// What a read does not take stays for a poll to see.
bool may_be_urgent(const descriptor& d, short events) {
  return (events & POLLPRI) != 0 &&
         (d.ready.load(std::memory_order_seq_cst) & descriptor::irregular) != 0;
}

// Whether the kernel may find something: the bits do not know better.
bool worth_asking(const pollfd& one) {
  if (one.fd < 0) return false;
  uint32_t direction = single_direction(one.events);
  const descriptor* d = direction != 0 ? known(one.fd) : nullptr;
  if (d == nullptr) return true;
  return worth_trying(*d, direction == EPOLLIN ? reading_direction : writing_direction) ||
         may_be_urgent(*d, one.events);
}

bool worth_asking(const pollfd* fds, size_t count) {
  for (size_t i = 0; i < count; ++i)
    if (worth_asking(fds[i])) return true;
  return false;
}

long poll_many(pollfd* fds, size_t count, deadline until) {
  waiter_array waiters(count);
  if (!waiters.complete()) return -ENOMEM;
  auto watch_all = [&](parker& self, uint64_t epoch) {
    bool all = true;
    for (size_t i = 0; i < count; ++i) {
      if (fds[i].fd < 0) continue;
      // Should it not ask, it is told of what others leave.
      waiters[i].trusts = true;
      all = watch(waiters[i], self, epoch, fds[i].fd, epoll_events_of(fds[i].events)) && all;
    }
    return !all || worth_asking(fds, count);
  };
  return ask_and_park(
      waiters, until, [&] { return ask_poll(fds, count); }, watch_all);
}

// Asks and parks on one descriptor; a bit that is known clear saves the asking, but for a look that
// does not wait: what the caller just did itself must show, and the bit learns of it a little
// later. Returns as ask_and_park(), or -EOPNOTSUPP if it cannot be waited for like this.
template <typename Ask>
long ask_and_park_on_one(operation& op, deadline until, Ask ask, short events = 0) {
  if (until == at_once) return ask();
  for (;;) {
    if (worth_trying(op) || may_be_urgent(op.d, events)) {
      begin(op);
      long found = ask();
      // Nothing was taken: what is there is still there, for others too.
      if (found != 0) leave_rest(op);
      if (found != 0) return found;
    }
    switch (wait_ready(op.fd, op.d, op.events, wait_for::poll, until)) {
      case readiness::ready: break;
      case readiness::timed_out: return ask();
      case readiness::closed: return ask();
      case readiness::interrupted: return interrupted;
      case readiness::cut: return -ECANCELED;
      case readiness::unpollable: return -EOPNOTSUPP;
    }
  }
}

long poll_one(pollfd& one, descriptor& d, uint32_t direction, deadline until) {
  operation op{one.fd, d, direction};
  one.revents = 0;
  return ask_and_park_on_one(
      op, until, [&] { return ask_poll(&one, 1); }, one.events);
}

// The size of the kernel's table of our descriptors, as it stands in /proc/self/status.
int kernel_table_size() {
  constexpr char path[] = "/proc/self/status";
  constexpr char name[] = "FDSize:\t";
  char text[1024];
  long fd = sys::call(SYS_openat, AT_FDCWD, sys::word(path), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return FD_SETSIZE;
  long size = sys::read(static_cast<int>(fd), text, sizeof text - 1);
  sys::close(static_cast<int>(fd));
  text[size < 0 ? 0 : size] = 0;
  const char* at = strstr(text, name);
  if (at == nullptr) return FD_SETSIZE;
  int value = 0;
  for (at += sizeof name - 1; *at >= '0' && *at <= '9'; ++at) value = value * 10 + (*at - '0');
  return value;
}

// fd_sets may be larger or smaller than the type says. The kernel reads as many words as `count`
// needs, but not beyond its own table: programs say getdtablesize() and mean "all that there are".
int clamp_count(int count) {
  if (count <= FD_SETSIZE) return count;
  int limit = kernel_table_size();
  return count < limit ? count : limit;
}

constexpr size_t bits_a_word = 64;
size_t words_for(int count) { return (static_cast<size_t>(count) + bits_a_word - 1) / bits_a_word; }

// Copies of the three sets as the program gave them.
class set_copies {
 public:
  explicit set_copies(size_t words) : words_(words) {
    if (3 * words > few) elsewhere_ = static_cast<uint64_t*>(map_words());
  }
  ~set_copies() {
    if (elsewhere_ != nullptr) sys::unmap(elsewhere_, bytes());
  }
  set_copies(const set_copies&) = delete;
  set_copies& operator=(const set_copies&) = delete;

  bool complete() const { return 3 * words_ <= few || elsewhere_ != nullptr; }
  uint64_t* operator[](int which) {
    return (elsewhere_ != nullptr ? elsewhere_ : here_) + static_cast<size_t>(which) * words_;
  }
  size_t words() const { return words_; }

 private:
  static constexpr size_t few = 48;  // three sets of FD_SETSIZE bits
  void* map_words() {
    return sys::map(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
  }
  size_t bytes() const { return 3 * words_ * sizeof(uint64_t); }
  size_t words_;
  uint64_t* elsewhere_ = nullptr;
  uint64_t here_[few];
};

// One select: the program's sets and what stood in them.
class selection {
 public:
  selection(int count, fd_set* readable, fd_set* writable, fd_set* exceptional)
      : count_(count), sets_{readable, writable, exceptional}, asked_(words_for(count)) {
    for (int which = 0; asked_.complete() && which < 3; ++which) copy(which, asked_[which], false);
  }

  bool complete() const { return asked_.complete(); }

  size_t descriptors() {
    size_t sum = 0;
    each([&](int, uint32_t) { ++sum; });
    return sum;
  }

  // Asks with the sets as they were given; they are left with the answer.
  long ask() {
    restore();
    timespec at_once{};
    return sys::call(SYS_pselect6, count_, sys::word(sets_[0]), sys::word(sets_[1]),
                     sys::word(sets_[2]), sys::word(&at_once), 0);
  }

  void restore() {
    for (int which = 0; which < 3; ++which) copy(which, asked_[which], true);
  }

  // visit(fd, epoll events) for each descriptor of any set.
  template <typename Visit>
  void each(Visit visit) {
    for (size_t word = 0; word < asked_.words(); ++word) {
      uint64_t any = 0;
      for (int which = 0; which < 3; ++which) any |= asked_[which][word];
      for (; any != 0; any &= any - 1) {
        int bit = __builtin_ctzll(any);
        int fd = static_cast<int>(word * bits_a_word) + bit;
        if (fd >= count_) return;
        constexpr uint32_t meaning[] = {EPOLLIN, EPOLLOUT, EPOLLPRI};
        uint32_t events = 0;
        for (int which = 0; which < 3; ++which)
          if (asked_[which][word] >> bit & 1) events |= meaning[which];
        visit(fd, events);
      }
    }
  }

 private:
  void copy(int which, uint64_t* ours, bool back) {
    auto* theirs = reinterpret_cast<uint64_t*>(sets_[which]);
    for (size_t i = 0; i < asked_.words(); ++i) {
      if (!back)
        ours[i] = theirs != nullptr ? theirs[i] : 0;
      else if (theirs != nullptr)
        theirs[i] = ours[i];
    }
  }

  int count_;
  fd_set* sets_[3];
  set_copies asked_;
};

long select_once(selection& s, deadline until) {
  long found = s.ask();
  if (found != 0 || until == at_once) return found;
  waiter_array waiters(s.descriptors());
  if (!waiters.complete()) return -ENOMEM;
  auto watch_all = [&](parker& self, uint64_t epoch) {
    size_t next = 0;
    s.each([&](int fd, uint32_t events) { watch(waiters[next++], self, epoch, fd, events); });
    return true;
  };
  return ask_and_park(
      waiters, until, [&] { return s.ask(); }, watch_all);
}

}  // namespace

long poll(pollfd* fds, size_t count, deadline until) {
  start_call();
  uint32_t direction = count == 1 && fds != nullptr ? single_direction(fds->events) : 0;
  descriptor* d = direction != 0 ? known(fds->fd) : nullptr;
  if (d != nullptr && until != at_once) {
    long found = unless_interrupted([&] { return poll_one(*fds, *d, direction, until); });
    if (found != -EOPNOTSUPP) return found;
  }
  bool knows = count > 1 && until != at_once && fds != nullptr && !worth_asking(fds, count);
  long found = knows ? 0 : ask_poll(fds, count);
  if (found != 0) return found;
  if (until == at_once) {
    scheduler::yield();
    return 0;
  }
  return unless_interrupted([&] { return poll_many(fds, count, until); });
}

long select(int count, fd_set* readable, fd_set* writable, fd_set* exceptional, deadline until) {
  start_call();
  if (count < 0) return -EINVAL;
  count = clamp_count(count);
  for (;;) {
    long found;
    {
      selection s(count, readable, writable, exceptional);
      if (!s.complete()) return -ENOMEM;
      found = select_once(s, until);
      if (found < 0) s.restore();
    }
    if (found == 0 && until == at_once) scheduler::yield();
    if (found != interrupted) return found;
    long error = after_interruption(false);
    if (error != 0) return error;
  }
}

long epoll_wait(int fd, epoll_event* events, int capacity, deadline until) {
  start_call();
  auto ask = [&] { return sys::call(SYS_epoll_pwait, fd, sys::word(events), capacity, 0, 0, 8); };
  descriptor* d = known(fd);
  if (d == nullptr || capacity <= 0 || !is_kind(*d, descriptor_kind::epoll)) return ask();
  operation op{fd, *d, EPOLLIN};
  long found = unless_interrupted([&] { return ask_and_park_on_one(op, until, ask); });
  if (found == 0 && until == at_once) scheduler::yield();
  return found;
}

long sleep(deadline until) {
  // Even the shortest sleep lets others run.
  cancellation_point();
  if (until == at_once || until <= now()) {
    scheduler::yield();
    return 0;
  }
  for (;;) {
    lot::request r{.address = &until,
                   .what = wait_for::sleep,
                   .until = until,
                   .interruptible = wait_class::fallible};
    switch (lot::park(r)) {
      case lot::outcome::timed_out: return 0;
      case lot::outcome::interrupted:
        if (long error = after_interruption(false); error != 0) return error;
        break;
      case lot::outcome::cut:
        if (long error = after_cut(); error != 0) return error;
        break;
      default: break;
    }
  }
}

}  // namespace vervet::interpose::io
