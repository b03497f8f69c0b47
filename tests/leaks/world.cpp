#include "world.h"

#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>

namespace test {

using namespace std::chrono_literals;

void linger(choices& random) {
  switch (pick(random, 4)) {
    case 0: return vervet::sleep_for(some_microseconds(random));
    case 1: return vervet::this_fiber::idle();
    default: return vervet::yield();
  }
}

world::world() { std::tie(near, far) = vervet::unix_socket::pair(); }

namespace {

template <typename Queue>
void feed_queue(Queue& q) {
  if (auto taken = q.try_get())
    q.task_done();
  else
    q.try_put(new_item());
}

void feed_channel(vervet::channel<item>& c) {
  std::optional<item> taken;
  if (c.try_receive(taken) != vervet::channel_status::received) c.try_send(new_item());
}

void feed_sockets(vervet::unix_socket& near, vervet::unix_socket& far, bool fill) {
  char bytes[512] = {};
  for (vervet::unix_socket* s : {&near, &far}) {
    try {
      if (fill)
        s->write_some(vervet::const_buffer(bytes, 1), 0s);
      else
        s->read_some(vervet::buffer(bytes, sizeof bytes), 0s);
    } catch (const vervet::timed_out&) {  // full, or empty
    }
  }
}

}  // namespace

void world::feed() {
  event.set();
  vervet::yield();
  event.clear();
  bool turn = false;
  {
    std::lock_guard lock(cv_mutex);
    turn = ++generation % 2 == 0;
  }
  cv.notify_all();
  cv_any.notify_all();
  feed_queue(queue);
  feed_queue(lifo);
  feed_queue(priority);
  feed_channel(unbuffered);
  feed_channel(buffered);
  feed_sockets(near, far, turn);
}

namespace {

void require(bool works, const char* what) {
  if (!works) throw std::logic_error(std::string("no longer works: ") + what);
}

template <typename Queue>
void verify_queue(Queue& q, const char* name) {
  require(q.unfinished() == q.size(), name);
  while (q.try_get()) {
  }
  require(q.empty() && q.try_put(new_item()) && q.full() && !q.try_put(new_item()), name);
  require(!q.put(new_item(), 0s) && q.get(0s) && !q.get(0s), name);
  auto putter = vervet::spawn([&] { return q.put(new_item()); });
  require(q.get() != nullptr && putter.get(), name);
  while (q.unfinished() != 0) q.task_done();
  require(q.join(0s), name);
}

void verify_channel(vervet::channel<item>& c, const char* name) {
  std::optional<item> value;
  while (c.try_receive(value) == vervet::channel_status::received) {
  }
  auto sender = vervet::spawn([&] { return c.send(new_item()); });
  require(c.receive() && sender.get(), name);
  require(c.try_receive(value) == vervet::channel_status::not_yet, name);
  require(c.try_send(new_item()) == (c.capacity() != 0), name);
  c.try_receive(value);
}

void verify_sockets(vervet::unix_socket& from, vervet::unix_socket& to) {
  char bytes[4096] = {};
  try {
    for (;;) to.read_some(vervet::buffer(bytes, sizeof bytes), 0s);
  } catch (const vervet::timed_out&) {
  }
  auto reader = vervet::spawn([&] {
    char one = 0;
    return to.read_some(vervet::buffer(&one, 1)) == 1 && one == 'x';
  });
  from.write_all(vervet::const_buffer("x", 1));
  require(reader.get(), "socket");
}

template <typename Lock>
void verify_lock(Lock& lock, const char* name) {
  require(lock.try_lock(), name);
  vervet::event tried;
  auto other = vervet::spawn([&] {
    bool got = lock.try_lock();
    if (got) lock.unlock();
    tried.set();
    lock.lock();
    lock.unlock();
    return !got;
  });
  tried.wait();
  lock.unlock();
  require(other.get(), name);
}

}  // namespace

void world::verify() {
  event.clear();
  require(!event.wait(0s), "event");
  auto waiter = vervet::spawn([&] { return event.wait(); });
  event.set();
  require(waiter.get(), "event");
  event.clear();
  require(semaphore.value() == 2, "semaphore");
  require(semaphore.try_acquire() && semaphore.try_acquire() && !semaphore.acquire(0s),
          "semaphore");
  semaphore.release(2);
  require(one.value() == 1, "bounded_semaphore");
  verify_lock(one, "bounded_semaphore");
  verify_lock(mutex, "mutex");
  verify_lock(recursive, "recursive_mutex");
  verify_lock(shared, "shared_mutex");
  require(shared.try_lock_shared() && shared.try_lock_shared() && !shared.try_lock(),
          "shared_mutex");
  shared.unlock_shared();
  shared.unlock_shared();
  verify_lock(cv_mutex, "the condition's mutex");
  verify_queue(queue, "queue");
  verify_queue(lifo, "lifo_queue");
  verify_queue(priority, "priority_queue");
  verify_channel(unbuffered, "channel without a buffer");
  verify_channel(buffered, "channel with a buffer");
  require(pool.join(10s) && pool.free_count() == 2, "pool");
  require(pool.apply([] { return 3; }) == 3, "pool");
  require(threads.join(10s) && threads.apply([] { return 3; }) == 3, "thread_pool");
  require(threads.submit([] { return 3; }).get() == 3, "thread_pool");
  verify_sockets(near, far);
  verify_sockets(far, near);
}

}  // namespace test
