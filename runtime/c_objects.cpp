#include "runtime/c_objects.h"

#include <errno.h>
#include <new>
#include <stdlib.h>

#include "runtime/handle.h"
#include "runtime/thread_pool.h"

namespace vervet::c_objects {

int line::wait(guard& held, lock& object, waiter& w, deadline until, unsigned flags) {
  auto unserved = [](void* waiting) -> int {
    return static_cast<waiter*>(waiting)->served.load(std::memory_order_acquire) == 0;
  };
  if (until <= at_once) return ETIMEDOUT;  // only looks, and lets nobody run
  waiters_.push_back(&w);
  held.release();
  while (unserved(&w)) {
    int error = vervet_park(&w.served, unserved, &w, until, flags);
    if (error == 0) continue;
    guard again(object);
    if (!unserved(&w)) break;
    list<waiter>::remove(&w);
    return error;
  }
  return w.result;
}

namespace {

template <typename T, typename... Args>
int make(T** made, Args... args) {
  void* memory = malloc(sizeof(T));
  if (memory == nullptr) return ENOMEM;
  *made = new (memory) T{args...};
  return 0;
}

}  // namespace
}  // namespace vervet::c_objects

using namespace vervet;
using namespace vervet::c_objects;

struct vervet_mutex {
  lock object;
  uint64_t owner = 0;  // vervet_self() of who has it
  line waiting;
};

struct vervet_cond {
  lock object;
  line waiting;
};

struct vervet_queue {
  size_t capacity;
  void** items;  // a ring
  lock object = {};
  size_t first = 0;
  size_t count = 0;
  bool closed = false;
  line putters = {};  // only while it is full
  line getters = {};  // only while it is empty
};

namespace {

// To the first one who waits, if there is one: nobody overtakes him.
int unlock(vervet_mutex& m) {
  guard held(m.object);
  if (m.owner != vervet_self()) return EPERM;
  waiter* next = m.waiting.first();
  m.owner = next != nullptr ? next->flow : 0;
  if (next == nullptr) return 0;
  const void* address = line::serve(*next, 0);
  held.release();
  line::wake(address);
  return 0;
}

int lock_mutex(vervet_mutex& m, deadline until, unsigned flags = 0) {
  guard held(m.object);
  uint64_t self = vervet_self();
  if (m.owner == self) return EDEADLK;
  if (m.owner == 0) {
    m.owner = self;
    return 0;
  }
  waiter w;
  w.flow = self;
  return m.waiting.wait(held, m.object, w, until, flags);
}

// Nothing cuts it short, nor is it told of a deadlock: whoever waited for a condition has its mutex
// when he goes on.
void lock_again(vervet_mutex& m) {
  lock_mutex(m, never, VERVET_PARK_UNCUT | VERVET_PARK_OUTSIDE);
}

bool wake_first(vervet_cond& c) {
  guard held(c.object);
  waiter* w = c.waiting.first();
  if (w == nullptr) return false;
  const void* address = line::serve(*w, 0);
  held.release();
  line::wake(address);
  return true;
}

void push(vervet_queue& q, void* item) { q.items[(q.first + q.count++) % q.capacity] = item; }

void* pop(vervet_queue& q) {
  void* item = q.items[q.first];
  q.first = (q.first + 1) % q.capacity;
  --q.count;
  return item;
}

}  // namespace

int vervet_mutex_make(vervet_mutex** mutex) { return make(mutex); }
void vervet_mutex_free(vervet_mutex* mutex) { free(mutex); }
int vervet_mutex_lock(vervet_mutex* mutex, int64_t deadline) {
  return lock_mutex(*mutex, deadline);
}
int vervet_mutex_unlock(vervet_mutex* mutex) { return unlock(*mutex); }

int vervet_cond_make(vervet_cond** condition) { return make(condition); }
void vervet_cond_free(vervet_cond* condition) { free(condition); }

int vervet_cond_wait(vervet_cond* condition, vervet_mutex* mutex, int64_t deadline) {
  guard held(condition->object);
  // Whoever signals from now on waits for this lock, and then finds us in line.
  int error = unlock(*mutex);
  if (error != 0) return error;
  waiter w;
  error = condition->waiting.wait(held, condition->object, w, deadline);
  lock_again(*mutex);
  return error;
}

void vervet_cond_signal(vervet_cond* condition) { wake_first(*condition); }

void vervet_cond_broadcast(vervet_cond* condition) {
  while (wake_first(*condition)) {
  }
}

int vervet_queue_make(vervet_queue** queue, size_t capacity) {
  if (capacity == 0) return EINVAL;
  auto** items = static_cast<void**>(calloc(capacity, sizeof(void*)));
  if (items == nullptr) return ENOMEM;
  int error = make(queue, capacity, items);
  if (error != 0) free(items);
  return error;
}

void vervet_queue_free(vervet_queue* queue) {
  if (queue == nullptr) return;
  free(queue->items);
  free(queue);
}

int vervet_queue_put(vervet_queue* queue, void* item, int64_t deadline) {
  guard held(queue->object);
  if (queue->closed) return EPIPE;
  if (waiter* getter = queue->getters.first()) {
    getter->item = item;
    const void* address = line::serve(*getter, 0);
    held.release();
    line::wake(address);
    return 0;
  }
  if (queue->count < queue->capacity) {
    push(*queue, item);
    return 0;
  }
  waiter w;
  w.item = item;
  return queue->putters.wait(held, queue->object, w, deadline);
}

int vervet_queue_get(vervet_queue* queue, void** item, int64_t deadline) {
  guard held(queue->object);
  if (queue->count != 0) {
    *item = pop(*queue);
    waiter* putter = queue->putters.first();
    if (putter == nullptr) return 0;
    push(*queue, putter->item);
    const void* address = line::serve(*putter, 0);
    held.release();
    line::wake(address);
    return 0;
  }
  if (queue->closed) return EPIPE;
  waiter w;
  int error = queue->getters.wait(held, queue->object, w, deadline);
  if (error == 0) *item = w.item;
  return error;
}

void vervet_queue_close(vervet_queue* queue) {
  for (;;) {
    guard held(queue->object);
    queue->closed = true;
    waiter* w = queue->putters.first();
    if (w == nullptr) w = queue->getters.first();
    if (w == nullptr) return;
    const void* address = line::serve(*w, EPIPE);
    held.release();
    line::wake(address);
  }
}

size_t vervet_queue_size(vervet_queue* queue) {
  guard held(queue->object);
  return queue->count;
}

int vervet_get_stats(vervet_stats* stats) {
  if (stats->size != sizeof(vervet_stats)) return EINVAL;
  record::counts fibers = record::count();
  thread_pool::counts pool = thread_pool::of_default_pool();
  stats->fibers_spawned = fibers.spawned;
  stats->fibers_alive = fibers.alive;
  stats->offload_threads = pool.threads;
  stats->offload_idle = pool.idle;
  stats->offload_unfinished = pool.unfinished;
  return 0;
}
