#include "runtime/descriptor.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/mman.h>

#include "runtime/carrier.h"
#include "runtime/hub.h"
#include "runtime/interrupt.h"
#include "runtime/light_hub.h"
#include "runtime/scope.h"
#include "runtime/sys.h"
#include "runtime/thread_state.h"

namespace vervet {
namespace {

constexpr int table_size = 1 << 20;
std::atomic<descriptor*> the_table{nullptr};
std::atomic<int> highest{-1};
std::atomic<uint32_t> forks{0};

constexpr uint32_t read_events = EPOLLIN | EPOLLRDHUP | EPOLLPRI | EPOLLHUP | EPOLLERR;
constexpr uint32_t write_events = EPOLLOUT | EPOLLHUP | EPOLLERR;
constexpr uint32_t irregular_events = EPOLLRDHUP | EPOLLPRI | EPOLLHUP | EPOLLERR;

descriptor* table() { return the_table.load(std::memory_order_acquire); }

uint32_t bits_of(uint32_t events) {
  uint32_t bits = 0;
  if (events & read_events) bits |= descriptor::readable;
  if (events & write_events) bits |= descriptor::writable;
  if (events & irregular_events) bits |= descriptor::irregular;
  return bits;
}

uint64_t cookie_of(int fd, const descriptor& d) {
  return static_cast<uint64_t>(d.generation.load(std::memory_order_relaxed)) << 32 |
         static_cast<uint32_t>(fd);
}

void note_number(int fd) {
  int seen = highest.load(std::memory_order_relaxed);
  while (fd > seen && !highest.compare_exchange_weak(seen, fd, std::memory_order_relaxed)) {
  }
}

// The light hub whose poller covers the caller's waits; null: the scheduler's does.
light_hub* covering_hub() {
  fiber* current = self_state.current;
  if (current == nullptr || current->kind == fiber_kind::full) return nullptr;
  return current->hub->host() == nullptr ? current->hub : nullptr;
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
  light_hub* light = covering_hub();
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

void unlink(descriptor& d, fd_waiter& w) {
  list<fd_waiter>::remove(&w);
  d.waiting.store(d.waiting.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
}

// Wakes every watcher and, per direction, the first exclusive waiter. REQUIRES: d.mutex.
void wake_waiters(descriptor& d, uint32_t events, bool watchers_too) {
  uint32_t given = 0;
  for (fd_waiter* w = d.waiters.front(); w != nullptr;) {
    fd_waiter* next = d.waiters.after(w);
    uint32_t direction = w->events & (EPOLLIN | EPOLLOUT);
    bool skip = w->exclusive ? (given & direction) != 0 : !watchers_too;
    if (!skip && wants(*w, events)) {
      bool exclusive = w->exclusive;
      unlink(d, *w);
      // The woken destroys it.
      if (wake(*w->who, w->epoch, wake_reason::ready) && exclusive) given |= direction;
    }
    w = next;
  }
}

void link(descriptor& d, fd_waiter& w) { d.waiters.push_back(&w); }

}  // namespace

bool descriptors_start() {
  if (table() != nullptr) return true;
  constexpr size_t bytes = table_size * sizeof(descriptor);
  void* made = sys::map(nullptr, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
  if (made == nullptr) return false;
  // Another thread may have been faster, and has waiters in its table already.
  descriptor* none = nullptr;
  if (!the_table.compare_exchange_strong(none, static_cast<descriptor*>(made)))
    sys::unmap(made, bytes);
  return true;
}

descriptor* descriptor_of(int fd) {
  if (fd < 0 || fd >= table_size || table() == nullptr) return nullptr;
  if (fd > highest.load(std::memory_order_relaxed)) note_number(fd);
  return &table()[fd];
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

readiness wait_ready(int fd, uint32_t events, wait_for what, deadline until,
                     wait_class interruptible, bool renew, const uint32_t* generation) {
  descriptor* d = descriptor_of(fd);
  if (d == nullptr) return readiness::unpollable;
  parker& self = self_parker();
  fd_waiter waiter{};
  waiter.who = &self;
  waiter.events = events;
  // Who waits for a number that others use, too, cannot pass on what he leaves.
  waiter.exclusive = !renew;
  waiter.epoch = self.arm(interruptible);
  light_hub* light = covering_hub();

  d->mutex.acquire();
  // Whoever retires it has woken its waiters, and may not have closed it yet: nobody would wake us.
  bool retired = generation != nullptr &&
                 d->generation.load(std::memory_order_relaxed) != *generation;
  int result = retired ? -EBADF : ensure_registered(light, fd, *d, renew);
  // Before the bits are looked at: pass_on() restores a bit and then looks at this count.
  d->waiting.fetch_add(1, std::memory_order_seq_cst);
  bool ready = (d->ready.load(std::memory_order_seq_cst) & bits_of(events)) != 0;
  if (result != 0 || ready) {
    d->waiting.fetch_sub(1, std::memory_order_relaxed);
    d->mutex.release();
    disarm(self);
    if (result == 0) return readiness::ready;
    return result == -EBADF ? readiness::closed : readiness::unpollable;
  }
  link(*d, waiter);
  d->mutex.release();

  if (light != nullptr) light->begin_watching();
  wake_reason reason = park(self, what, until);
  if (light != nullptr) light->end_watching();

  // Who wakes for these has unlinked it before. But the waker may have to do with an OS thread's parker
  // still, which lives no longer than its thread: the lock tells that he has done.
  bool unlinked = reason == wake_reason::ready || reason == wake_reason::closed;
  if (!unlinked || self.kind_of_sleeper != sleeper_kind::fiber) {
    lock_guard guard(d->mutex);
    if (waiter.linked()) unlink(*d, waiter);
  }
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

void pass_on(descriptor& d, uint32_t events) {
  if (d.waiting.load(std::memory_order_seq_cst) == 0) return;
  lock_guard guard(d.mutex);
  if ((d.ready.load(std::memory_order_relaxed) & bits_of(events)) != 0)
    wake_waiters(d, events, false);
}

namespace {

int watch(fd_waiter& waiter, parker& self, uint64_t epoch, int fd, uint32_t events, bool renew) {
  descriptor* d = descriptor_of(fd);
  if (d == nullptr) return EBADF;
  waiter.who = &self;
  waiter.epoch = epoch;
  waiter.events = events;
  waiter.exclusive = false;
  lock_guard guard(d->mutex);
  int result = ensure_registered(covering_hub(), fd, *d, renew);
  if (result != 0) return -result;
  waiter.fd = fd;
  d->waiting.fetch_add(1, std::memory_order_relaxed);
  link(*d, waiter);
  return 0;
}

}  // namespace

bool watch(fd_waiter& waiter, parker& self, uint64_t epoch, int fd, uint32_t events) {
  return watch(waiter, self, epoch, fd, events, false) == 0;
}

int watch_anew(fd_waiter& waiter, parker& self, uint64_t epoch, int fd, uint32_t events) {
  return watch(waiter, self, epoch, fd, events, true);
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

void descriptor_event(uint64_t cookie, uint32_t events) {
  int fd = static_cast<int>(cookie & 0xffffffff);
  descriptor& d = table()[fd];
  lock_guard guard(d.mutex);
  if (d.generation.load(std::memory_order_relaxed) != cookie >> 32) return;
  d.ready.fetch_or(bits_of(events), std::memory_order_seq_cst);
  if (d.waiting.load(std::memory_order_relaxed) != 0) wake_waiters(d, events, true);
}

void descriptors_forked() {
  forks.fetch_add(1, std::memory_order_relaxed);
  int last = highest.load(std::memory_order_relaxed);
  for (int fd = 0; fd <= last; ++fd) table()[fd].shared.store(true, std::memory_order_relaxed);
}

void descriptors_forget() {
  if (table() == nullptr) return;
  // Anonymous memory reads as zero afterwards: nobody waits, nothing is known.
  sys::advise(table(), table_size * sizeof(descriptor), MADV_DONTNEED);
  highest.store(-1, std::memory_order_relaxed);
}

void for_each_descriptor(void (*visit)(int fd, descriptor& d)) {
  int last = highest.load(std::memory_order_relaxed);
  for (int fd = 0; fd <= last && table() != nullptr; ++fd) visit(fd, table()[fd]);
}

}  // namespace vervet
