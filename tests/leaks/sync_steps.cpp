// Steps that wait for each other: locks, conditions, queues, channels.
#include <functional>
#include <mutex>
#include <shared_mutex>
#include <stop_token>

#include "world.h"

namespace test {
namespace {

using namespace std::chrono_literals;

void wait_for_event(world& w, choices&) {
  counted held;
  w.event.wait();
}

void wait_for_event_a_while(world& w, choices& random) {
  item held = new_item();
  w.event.wait(some_microseconds(random));
}

void await_result(world&, choices& random) {
  auto result = std::make_shared<vervet::async_result<item>>();
  auto setter = vervet::spawn([result, random]() mutable {
    linger(random);
    result->set_value(new_item());
  });
  if (!result->wait(some_microseconds(random)) || one_in(random, 2)) item got = result->get();
}

void await_error(world&, choices&) {
  vervet::async_result<> result;
  vervet::fiber<> failing =
      vervet::spawn([&result] { result.set_exception(std::runtime_error("planned")); });
  struct joining {
    vervet::fiber<>& f;
    ~joining() {
      vervet::shield until_then;
      f.join();
    }
  } at_the_end{failing};
  try {
    result.get();
  } catch (const std::runtime_error&) {
  }
}

template <typename Lock>
void hold(Lock&& lock, choices& random) {
  [[maybe_unused]] auto until_the_end = std::move(lock);
  counted held;
  linger(random);
  if (one_in(random, 2)) linger(random);
}

void acquire(world& w, choices& random) {
  item held = new_item();
  if (one_in(random, 2)) {
    w.semaphore.acquire();
  } else if (!w.semaphore.acquire(some_microseconds(random))) {
    return;
  }
  hold(std::unique_lock(w.semaphore, std::adopt_lock), random);
}

void acquire_the_only_one(world& w, choices& random) { hold(std::unique_lock(w.one), random); }

void lock_mutex(world& w, choices& random) {
  std::unique_lock lock(w.mutex);
  if (++w.exclusive != 1) throw std::logic_error("two hold the mutex");
  struct leaving {
    std::atomic<int>& of;
    ~leaving() { --of; }
  } leaving{w.exclusive};
  item held = new_item();
  linger(random);
}

void lock_mutex_a_while(world& w, choices& random) {
  std::unique_lock<vervet::mutex> lock(w.mutex, some_microseconds(random));
  if (lock) linger(random);
}

void lock_recursively(world& w, choices& random) {
  std::lock_guard outer(w.recursive);
  linger(random);
  hold(std::unique_lock(w.recursive), random);
}

void share(world& w, choices& random) {
  switch (pick(random, 4)) {
    case 0: return hold(std::unique_lock(w.shared), random);
    case 1: return hold(std::shared_lock(w.shared), random);
    case 2:
      if (w.shared.try_lock_for(some_microseconds(random)))
        hold(std::unique_lock(w.shared, std::adopt_lock), random);
      return;
    default:
      if (w.shared.try_lock_shared_for(some_microseconds(random)))
        hold(std::shared_lock(w.shared, std::adopt_lock), random);
  }
}

void write_and_read(world& w, choices& random) {
  hold(std::unique_lock(w.shared), random);
  hold(std::shared_lock(w.shared), random);
}

// The lock is held however the wait ends.
template <typename Condition>
void wait_for_next(world& w, Condition& c, choices& random) {
  item held = new_item();
  std::unique_lock lock(w.cv_mutex);
  unsigned seen = w.generation;
  auto moved = [&] {
    if (!lock.owns_lock()) throw std::logic_error("the condition's lock is not held");
    return w.generation != seen;
  };
  struct check {
    std::unique_lock<vervet::mutex>& lock;
    bool& ok;
    ~check() { ok = lock.owns_lock(); }
  };
  bool ok = false;
  try {
    check at_the_end{lock, ok};
    if (one_in(random, 2))
      c.wait(lock, moved);
    else
      c.wait_for(lock, some_microseconds(random), moved);
  } catch (...) {
    if (!ok) throw std::logic_error("the condition's lock is not held after a kill");
    throw;
  }
}
void wait_for_condition(world& w, choices& random) { wait_for_next(w, w.cv, random); }
void wait_for_condition_any(world& w, choices& random) { wait_for_next(w, w.cv_any, random); }

void wait_for_condition_or_stop(world& w, choices& random) {
  std::stop_source source;
  auto stopper = vervet::spawn([source, random]() mutable {
    linger(random);
    source.request_stop();
  });
  {
    std::unique_lock lock(w.cv_mutex);
    w.cv.wait(lock, source.get_token(), [] { return false; });
  }
  stopper.join();
}

void wait_for_latch(world&, choices& random) {
  auto latch = std::make_shared<vervet::latch>(2);
  auto other = vervet::spawn([latch, random, held = counted()]() mutable {
    linger(random);
    latch->arrive_and_wait(1, 10s);
  });
  latch->arrive_and_wait();
}

void wait_at_barrier(world&, choices& random) {
  auto barrier = std::make_shared<vervet::barrier<>>(2);
  auto other = vervet::spawn([barrier, random, held = counted()]() mutable {
    linger(random);
    barrier->arrive_and_wait(100us);
  });
  barrier->arrive_and_wait();
  if (one_in(random, 2)) other.join();
}

void call_once(world&, choices& random) {
  auto flag = std::make_shared<vervet::once_flag>();
  auto other = vervet::spawn([flag, random, held = counted()]() mutable {
    vervet::call_once(*flag, [&] { linger(random); });
  });
  if (one_in(random, 2)) vervet::yield();
  vervet::call_once(*flag, [&] {
    item held = new_item();
    linger(random);
  });
  other.join();
}

template <typename Queue>
void use_queue(Queue& q, choices& random) {
  switch (pick(random, 5)) {
    case 0: q.put(new_item()); return;
    case 1: q.put(new_item(), some_microseconds(random)); return;
    case 2: q.get(); break;
    case 3:
      if (!q.get(some_microseconds(random))) return;
      break;
    default: q.peek(some_microseconds(random)); return;
  }
  q.task_done();
}
void use_fifo(world& w, choices& random) { use_queue(w.queue, random); }
void use_lifo(world& w, choices& random) { use_queue(w.lifo, random); }
void use_priority(world& w, choices& random) { use_queue(w.priority, random); }

void fill_and_join_queue(world&, choices& random) {
  auto q = std::make_shared<vervet::queue<item>>(1);
  auto taker = vervet::spawn([q, random]() mutable {
    for (item taken : *q) {
      linger(random);
      q->task_done();
    }
  });
  struct closing {
    vervet::queue<item>& q;
    ~closing() { q.close(); }
  } at_the_end{*q};
  for (int i = 0; i < 3; ++i) q->put(new_item());
  q->join();
}

void use_channel(vervet::channel<item>& c, choices& random) {
  std::optional<item> value;
  switch (pick(random, 4)) {
    case 0: c.send(new_item()); return;
    case 1: c.send(new_item(), some_microseconds(random)); return;
    case 2: value = c.receive(); return;
    default: c.receive(value, some_microseconds(random));
  }
}
void use_unbuffered(world& w, choices& random) { use_channel(w.unbuffered, random); }
void use_buffered(world& w, choices& random) { use_channel(w.buffered, random); }

void select_among(world& w, choices& random) {
  item got;
  auto take = [&](std::optional<item> value) { got = value ? *value : nullptr; };
  vervet::deadline until;
  if (one_in(random, 2)) until = some_microseconds(random);
  vervet::select(vervet::receive(w.unbuffered, take), vervet::send(w.buffered, new_item()),
                 vervet::receive(w.buffered, take), vervet::after(until));
}

void range_over_channel(world&, choices& random) {
  auto c = std::make_shared<vervet::channel<item>>();
  auto sender = vervet::spawn([c, random]() mutable {
    for (int i = 0; i < 3; ++i) c->send(new_item(), 1ms);
    c->close();
  });
  for (item got : *c) linger(random);
}

constexpr step steps[] = {
    {"wait for an event", wait_for_event},
    {"wait for an event, a while", wait_for_event_a_while},
    {"await a result", await_result},
    {"await an error", await_error},
    {"acquire a semaphore", acquire},
    {"acquire a bounded semaphore", acquire_the_only_one},
    {"lock a mutex", lock_mutex},
    {"lock a mutex, a while", lock_mutex_a_while},
    {"lock a mutex recursively", lock_recursively},
    {"lock a shared mutex", share},
    {"write, then read under a shared mutex", write_and_read},
    {"wait for a condition", wait_for_condition},
    {"wait for a condition with any lock", wait_for_condition_any},
    {"wait for a condition or a stop", wait_for_condition_or_stop},
    {"wait for a latch", wait_for_latch},
    {"wait at a barrier", wait_at_barrier},
    {"call once", call_once},
    {"use a queue", use_fifo},
    {"use a lifo queue", use_lifo},
    {"use a priority queue", use_priority},
    {"fill and join a queue", fill_and_join_queue},
    {"use a channel without buffer", use_unbuffered},
    {"use a channel with a buffer", use_buffered},
    {"select among channels", select_among},
    {"range over a channel", range_over_channel},
};

}  // namespace

std::span<const step> sync_steps() { return steps; }

}  // namespace test
