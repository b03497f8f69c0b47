#include "runtime/hub.h"

#include "runtime/check.h"
#include "runtime/descriptor.h"
#include "runtime/idle.h"
#include "runtime/lock.h"
#include "runtime/timer_queue.h"

namespace vervet::hub {
namespace {

poller the_poller;
uint32_t openings = 0;
lock timer_lock;
timer_queue timers;
std::atomic<deadline> earliest_deadline{never};

void note_earliest() { earliest_deadline.store(timers.earliest(), std::memory_order_release); }

}  // namespace

int open() {
  ++openings;
  return the_poller.open();
}

uint32_t number() {
  constexpr uint32_t no_light_hub = 1u << 31;
  return openings | no_light_hub;
}

void close() { the_poller.close(); }

poller& get_poller() { return the_poller; }

void arm_timer(fiber& f, uint64_t epoch, deadline until) {
  lock_guard guard(timer_lock);
  f.who = &f;
  f.epoch = epoch;
  CHECK(timers.add(f, until), "out of memory for the timer of fiber %lu",
        static_cast<unsigned long>(f.thread.number));
  note_earliest();
}

void cancel_timer(fiber& f) {
  lock_guard guard(timer_lock);
  if (!f.queued()) return;
  timers.remove(f);
  note_earliest();
}

deadline earliest() { return earliest_deadline.load(std::memory_order_acquire); }

void fire_timers() {
  if (earliest() == never) return;
  deadline time = now();
  if (earliest() > time) return;
  lock_guard guard(timer_lock);
  while (timer_node* node = timers.pop_due(time))
    wake(*node->who, node->epoch, wake_reason::timed_out);
  note_earliest();
}

bool poll(deadline until) {
  poll_event events[poller::batch];
  bool interrupted;
  int count = the_poller.wait(events, until, &interrupted);
  descriptor_events(events, count);
  return interrupted;
}

void look() {
  if (poll(at_once)) idle::pass_on_interrupt();
}

void forget_all() {
  the_poller.close();
  timer_lock.reset();
  timers = timer_queue{};
  note_earliest();
}

}  // namespace vervet::hub
