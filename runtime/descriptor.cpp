#include "runtime/descriptor.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/mman.h>

#include "runtime/carrier.h"
#include "runtime/hub.h"
#include "runtime/interrupt.h"
#include "runtime/light_switch.h"
#include "runtime/sanitizer.h"
#include "runtime/scope.h"
#include "runtime/sys.h"
#include "runtime/thread_state.h"

namespace vervet {

std::atomic<descriptor*> descriptor_table{nullptr};
std::atomic<int> highest_descriptor{-1};

namespace {

std::atomic<uint32_t> forks{0};

constexpr uint32_t read_events = EPOLLIN | EPOLLRDHUP | EPOLLPRI | EPOLLHUP | EPOLLERR;
constexpr uint32_t write_events = EPOLLOUT | EPOLLHUP | EPOLLERR;
constexpr uint32_t irregular_events = EPOLLRDHUP | EPOLLPRI | EPOLLHUP | EPOLLERR;

descriptor* table() { return descriptor_table.load(std::memory_order_acquire); }

uint32_t bits_of(uint32_t events) {
  uint32_t bits = 0;
  if (events & read_events) bits |= descriptor::readable;
  if (events & write_events) bits |= descriptor::writable;
  if (events & irregular_events) bits |= descriptor::irregular;
  return bits;
}

// Of EPOLLIN or EPOLLOUT.
inline uint32_t bit_of(uint32_t event) {
  return event == EPOLLIN ? descriptor::readable : descriptor::writable;
}

uint64_t cookie_of(int fd, const descriptor& d) {
  return static_cast<uint64_t>(d.generation.load(std::memory_order_relaxed)) << 32 |
         static_cast<uint32_t>(fd);
}

// The caller if it is a light fiber, else null.
inline fiber* light_self() {
  fiber* current = self_state.current;
  return current != nullptr && current->kind == fiber_kind::light ? current : nullptr;
}

// The light hub whose poller covers its waits; null: the scheduler's does.
inline light_hub* covering_hub(const fiber* light) {
  return light != nullptr && light->hub->host() == nullptr ? light->hub : nullptr;
}

// REQUIRES: d.mutex. 0, or a negated error number. `light` is the caller's covering hub.
//
// A descriptor is at home with the poller that it was registered with last: other hubs that wait
// for it register it with theirs as well, which has the kernel report its present state there.
[[gnu::noinline]] int register_with(light_hub* light, uint32_t home, int fd, descriptor& d) {
  poller* with = light == nullptr ? &hub::get_poller() : light->open_poller();
  if (with == nullptr) return -EMFILE;
  int result = with->add(fd, cookie_of(fd, d));
  // The same description was registered under this number before, and is known to the kernel still.
  if (result == -EEXIST) result = with->modify(fd, cookie_of(fd, d));
  if (result != 0) return result;
  // The kernel reports the present state as a first event.
  d.ready.store(0, std::memory_order_relaxed);
  d.home.store(home, std::memory_order_relaxed);
  d.registered.store(1 + forks.load(std::memory_order_relaxed), std::memory_order_release);
  return 0;
}

inline int ensure_registered(light_hub* light, int fd, descriptor& d, bool renew) {
  uint32_t home = light == nullptr ? hub::number() : light->number();
  bool known = d.registered.load(std::memory_order_relaxed) != 0 &&
               d.home.load(std::memory_order_relaxed) == home;
  if (known && !renew) [[likely]]
    return 0;
  return register_with(light, home, fd, d);
}

// Another thread's hub goes on getting events of it, with an old generation.
void unregister(int fd, const descriptor& d) {
  uint32_t home = d.home.load(std::memory_order_relaxed);
  light_hub* light = covering_hub(light_self());
  if (home == hub::number())
    hub::get_poller().remove(fd);
  else if (light != nullptr && light->number() == home)
    light->open_poller()->remove(fd);
}

bool wants(const fd_waiter& w, uint32_t events) {
  if (w.events & events) return true;
  if (events & (EPOLLHUP | EPOLLERR)) return true;
  return (w.events & EPOLLIN) && (events & (EPOLLRDHUP | EPOLLPRI));
}

// REQUIRES: d.mutex.
inline void count_waiting(descriptor& d, uint32_t change) {
  d.waiting.store(d.waiting.load(std::memory_order_relaxed) + change, std::memory_order_relaxed);
}

inline void unlink(descriptor& d, fd_waiter& w) {
  list<fd_waiter>::remove(&w);
  count_waiting(d, -1u);
}

// Wakes every watcher (or those that trust alone) and, per direction, the first exclusive waiter.
// REQUIRES: d.mutex.
void wake_waiters(descriptor& d, uint32_t events, bool watchers_too) {
  uint32_t given = 0;
  for (fd_waiter* w = d.waiters.front(); w != nullptr;) {
    fd_waiter* next = d.waiters.after(w);
    uint32_t direction = w->events & (EPOLLIN | EPOLLOUT);
    bool skip = w->exclusive ? (given & direction) != 0 : !watchers_too && !w->trusts;
    if (!skip && wants(*w, events)) {
      bool exclusive = w->exclusive;
      unlink(d, *w);
      // The woken destroys it.
      if (wake(*w->who, w->epoch, wake_reason::ready) && exclusive) given |= direction;
    }
    w = next;
  }
}

// An event that moves data and tells of nothing else, while one waits who tries: readiness is that one's, and
// need not be noted for others. Returns the bits that it was given. REQUIRES: d.mutex.
inline uint32_t give_to_only_waiter(descriptor& d, uint32_t events) {
  if (d.waiting.load(std::memory_order_relaxed) != 1 || (events & irregular_events) != 0) return 0;
  fd_waiter& w = *d.waiters.front();
  uint32_t wanted = w.events;
  if (!w.tries || (wanted & events) == 0) return 0;
  unlink(d, w);
  return wake(*w.who, w.epoch, wake_reason::ready) ? bits_of(wanted) : 0;
}

inline void set_bits(descriptor& d, uint32_t bits) {
  // Whoever clears one of those that are set does so before a call that finds what the event told of.
  if ((d.ready.load(std::memory_order_seq_cst) & bits) != bits)
    d.ready.fetch_or(bits, std::memory_order_seq_cst);
}

inline void link(descriptor& d, fd_waiter& w) { d.waiters.push_back(&w); }

}  // namespace

bool descriptors_start() {
  if (table() != nullptr) return true;
  constexpr size_t bytes = descriptor_numbers * sizeof(descriptor);
  void* made = sys::map(nullptr, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
  if (made == nullptr) return false;
  // Another thread may have been faster, and has waiters in its table already.
  descriptor* none = nullptr;
  if (!descriptor_table.compare_exchange_strong(none, static_cast<descriptor*>(made)))
    sys::unmap(made, bytes);
  return true;
}

void note_descriptor(int fd) {
  int seen = highest_descriptor.load(std::memory_order_relaxed);
  while (fd > seen &&
         !highest_descriptor.compare_exchange_weak(seen, fd, std::memory_order_relaxed)) {
  }
}

bool runtime_owns_descriptor(int fd) {
  return hub::get_poller().owns(fd) || carriers::owns(fd);
}

int runtime_descriptor_from(int first) {
  int pollers = hub::get_poller().lowest_owned(first);
  int ours = carriers::lowest_owned(first);
  if (pollers < 0 || ours < 0) return pollers < 0 ? ours : pollers;
  return pollers < ours ? pollers : ours;
}

namespace {

readiness readiness_after(wake_reason reason) {
  switch (reason) {
    case wake_reason::timed_out:
      return readiness::timed_out;
    case wake_reason::closed:
      return readiness::closed;
    case wake_reason::interrupted:
      return readiness::interrupted;
    case wake_reason::cut:
      // Or meant for an earlier wait of ours; or an exception is unwinding the flow.
      return scope::due() ? readiness::cut : readiness::interrupted;
    default:
      return readiness::ready;
  }
}

}  // namespace

readiness wait_ready(int fd, descriptor& d, uint32_t events, wait_for what, deadline until,
                     wait_options options) {
  fiber* here = light_self();
  parker& self = here != nullptr ? *here : self_parker();
  light_hub* light = covering_hub(here);
  fd_waiter waiter;
  waiter.who = &self;
  waiter.events = events;
  // Who waits for a number that others use, too, cannot pass on what he leaves.
  waiter.exclusive = !options.renew;
  waiter.tries = options.tries;

  d.mutex.acquire();
  // Whoever retires it has woken its waiters, and may not have closed it yet: nobody would wake us.
  bool retired =
      options.asked && d.generation.load(std::memory_order_relaxed) != options.generation;
  int result = retired ? -EBADF : ensure_registered(light, fd, d, options.renew);
  // Counted before the bits are looked at: pass_on() restores a bit and then looks at the count. (To arm is
  // a locked instruction.)
  count_waiting(d, 1);
  waiter.epoch = here != nullptr ? here->arm_here(options.interruptible)
                                 : self.arm(options.interruptible);
  bool ready = (d.ready.load(std::memory_order_seq_cst) & bit_of(events)) != 0;
  if (result != 0 || ready) [[unlikely]] {
    count_waiting(d, -1u);
    d.mutex.release();
    if (here != nullptr)
      here->hub->retract_here(*here, waiter.epoch);
    else
      disarm(self);
    if (result == 0) return readiness::ready;
    return result == -EBADF ? readiness::closed : readiness::unpollable;
  }
  link(d, waiter);
  d.mutex.release();

  wake_reason reason;
  if (light != nullptr) light->begin_watching();
  if (here != nullptr)
    reason = here->hub->park_here(*here, waiter.epoch, until);
  else
    reason = park(self, what, until);
  if (light != nullptr) light->end_watching();

  // Who wakes for these has unlinked it before. But the waker may have to do with an OS thread's parker
  // still, which lives no longer than its thread: the lock tells that he has done.
  if (reason == wake_reason::ready && self.kind_of_sleeper == sleeper_kind::fiber) [[likely]]
    return readiness::ready;
  {
    lock_guard guard(d.mutex);
    if (waiter.linked()) unlink(d, waiter);
  }
  return readiness_after(reason);
}

void pass_on(descriptor& d, uint32_t events) {
  if (d.waiting.load(std::memory_order_seq_cst) == 0) return;
  lock_guard guard(d.mutex);
  if ((d.ready.load(std::memory_order_relaxed) & bits_of(events)) != 0)
    wake_waiters(d, events, false);
}

namespace {

enum class trust { asks, asks_anew, trusts };

int watch(fd_waiter& waiter, parker& self, uint64_t epoch, int fd, uint32_t events, trust how) {
  descriptor* d = descriptor_of(fd);
  if (d == nullptr) return EBADF;
  waiter.who = &self;
  waiter.epoch = epoch;
  waiter.events = events;
  waiter.exclusive = false;
  lock_guard guard(d->mutex);
  bool anew = how == trust::asks_anew;
  int result = ensure_registered(covering_hub(light_self()), fd, *d, anew);
  if (result != 0) return -result;
  bool trusts = how == trust::trusts;
  if (trusts) waiter.trusts = true;
  // Before the bit is looked at, as in wait_ready().
  d->waiting.fetch_add(1, std::memory_order_seq_cst);
  if (trusts && (d->ready.load(std::memory_order_seq_cst) & bit_of(events)) != 0) {
    count_waiting(*d, -1u);
    return EALREADY;
  }
  waiter.fd = fd;
  link(*d, waiter);
  return 0;
}

}  // namespace

bool watch(fd_waiter& waiter, parker& self, uint64_t epoch, int fd, uint32_t events) {
  return watch(waiter, self, epoch, fd, events, trust::asks) == 0;
}

int watch_anew(fd_waiter& waiter, parker& self, uint64_t epoch, int fd, uint32_t events) {
  return watch(waiter, self, epoch, fd, events, trust::asks_anew);
}

int watch_known(fd_waiter& waiter, parker& self, uint64_t epoch, int fd, uint32_t events) {
  return watch(waiter, self, epoch, fd, events, trust::trusts);
}

void unwatch(fd_waiter& waiter) {
  if (waiter.fd < 0) return;
  descriptor& d = table()[waiter.fd];
  lock_guard guard(d.mutex);
  if (waiter.linked()) unlink(d, waiter);
  waiter.fd = -1;
}

void retire_descriptor(int fd) {
  descriptor* d = descriptor_of(fd);
  if (d == nullptr) return;
  lock_guard guard(d->mutex);
  d->generation.fetch_add(1, std::memory_order_relaxed);
  while (fd_waiter* w = d->waiters.front()) {
    unlink(*d, *w);
    wake(*w->who, w->epoch, wake_reason::closed);
  }
  uint32_t registered = d->registered.exchange(0, std::memory_order_relaxed);
  bool outlives = d->shared.load(std::memory_order_relaxed) ||
                  registered != 1 + forks.load(std::memory_order_relaxed);
  // epoll follows the description: one that lives on under another number would go on reporting here.
  if (registered != 0 && outlives) unregister(fd, *d);
  d->ready.store(0, std::memory_order_relaxed);
  d->kind.store(descriptor_kind::unknown, std::memory_order_relaxed);
  d->nonblocking.store(false, std::memory_order_relaxed);
  d->hidden_nonblock.store(false, std::memory_order_relaxed);
  d->shared.store(false, std::memory_order_relaxed);
  d->listening.store(false, std::memory_order_relaxed);
  d->receive_timeout.store(0, std::memory_order_relaxed);
  d->send_timeout.store(0, std::memory_order_relaxed);
  d->low_water.store(0, std::memory_order_relaxed);
  d->lingers.store(false, std::memory_order_relaxed);
}

void close_waited(int& fd) {
  if (fd < 0) return;
  retire_descriptor(fd);
  sys::close(fd);
  fd = -1;
}

namespace {

inline descriptor& described_by(const poll_event& e) { return table()[e.cookie & 0xffffffff]; }

inline void see_event(const poll_event& e) {
  descriptor& d = described_by(e);
  lock_guard guard(d.mutex);
  if (d.generation.load(std::memory_order_relaxed) != e.cookie >> 32) return;
  uint32_t bits = bits_of(e.events) & ~give_to_only_waiter(d, e.events);
  set_bits(d, bits);
  if (d.waiting.load(std::memory_order_relaxed) != 0) wake_waiters(d, e.events, true);
}

}  // namespace

// With many descriptors each is far from the caches, and so is who waits for it: both are fetched some
// events ahead. (Of the waiter the address alone is looked at: it may be gone.)
void descriptor_events(const poll_event* events, int count) {
  constexpr int far = 6, near = 3;
  // (ThreadSanitizer would tell of the look without the lock.)
  constexpr bool looks_ahead = !sanitizer::told_of_switches;
  for (int i = 0; i < far && i < count; ++i) __builtin_prefetch(&described_by(events[i]), 1);
  for (int i = 0; i < count; ++i) {
    if (i + far < count) __builtin_prefetch(&described_by(events[i + far]), 1);
    if (looks_ahead && i + near < count)
      __builtin_prefetch(described_by(events[i + near]).waiters.front_unlocked(), 1);
    see_event(events[i]);
  }
}

void descriptors_forked() {
  forks.fetch_add(1, std::memory_order_relaxed);
  int last = highest_descriptor.load(std::memory_order_relaxed);
  for (int fd = 0; fd <= last; ++fd) table()[fd].shared.store(true, std::memory_order_relaxed);
}

void descriptors_forget() {
  if (table() == nullptr) return;
  // Anonymous memory reads as zero afterwards: nobody waits, nothing is known.
  sys::advise(table(), descriptor_numbers * sizeof(descriptor), MADV_DONTNEED);
  highest_descriptor.store(-1, std::memory_order_relaxed);
}

void for_each_descriptor(void (*visit)(int fd, descriptor& d)) {
  int last = highest_descriptor.load(std::memory_order_relaxed);
  for (int fd = 0; fd <= last && table() != nullptr; ++fd) visit(fd, table()[fd]);
}

}  // namespace vervet
