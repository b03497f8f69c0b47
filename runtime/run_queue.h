// Runnable fibers. Each worker has a run_queue; what is queued by whoever has no worker goes to the
// scheduler's shared_queue.
#pragma once

#include <atomic>
#include <stdint.h>

#include "runtime/fiber.h"
#include "runtime/list.h"
#include "runtime/lock.h"

namespace vervet {

// A FIFO with one producer, the owner of the worker, and any number of consumers: it and thieves.
// Unbounded: a ring that the producer replaces by a larger one. A consumer reads its slot first and
// then claims it by moving `head_`: a slot is written again only after that, and a ring that was
// replaced stays as it was (and mapped) until forget(), so that a slow consumer reads what was
// there.
class run_queue {
 public:
  bool empty() const { return size() == 0; }
  uint64_t size() const {
    uint64_t head = head_.load(std::memory_order_seq_cst);
    return tail_.load(std::memory_order_seq_cst) - head;
  }
  // The producer only. The tail's store is sequentially consistent: whoever goes to sleep announces
  // that and then looks here; the producer stores here and then looks who sleeps.
  void push(fiber& f) {
    uint64_t tail = tail_.load(std::memory_order_relaxed);
    if (tail == room_until_) [[unlikely]]
      make_room(tail);
    ring_.load(std::memory_order_relaxed)->at(tail).store(&f, std::memory_order_relaxed);
    if (alone_)
      tail_.store(tail + 1, std::memory_order_release);
    else
      tail_.store(tail + 1, std::memory_order_seq_cst);
  }
  // Any consumer. Null if it is empty; a consumer that loses against another tries again.
  fiber* pop() {
    if (!alone_) return pop_among_others();
    uint64_t head = head_.load(std::memory_order_relaxed);
    if (head == tail_.load(std::memory_order_relaxed)) return nullptr;
    fiber* f = ring_.load(std::memory_order_relaxed)->at(head).load(std::memory_order_relaxed);
    head_.store(head + 1, std::memory_order_release);
    return f;
  }
  // Queues `f` and takes the one at the head; null, and nothing is queued, if it was empty, or push() would have
  // to look for room.
  // REQUIRES: alone().
  fiber* exchange(fiber& f) {
    uint64_t head = head_.load(std::memory_order_relaxed);
    uint64_t tail = tail_.load(std::memory_order_relaxed);
    if (head == tail || tail == room_until_) [[unlikely]]
      return nullptr;
    ring& r = *ring_.load(std::memory_order_relaxed);
    r.at(tail).store(&f, std::memory_order_relaxed);
    fiber* first = r.at(head).load(std::memory_order_relaxed);
    tail_.store(tail + 1, std::memory_order_release);
    head_.store(head + 1, std::memory_order_release);
    return first;
  }
  // The fiber that stands `place` behind the head at this moment; null beyond the end. REQUIRES: by its owner.
  const fiber* peek(uint64_t place) const {
    uint64_t at = head_.load(std::memory_order_relaxed) + place;
    if (at >= tail_.load(std::memory_order_relaxed)) return nullptr;
    return ring_.load(std::memory_order_relaxed)->at(at).load(std::memory_order_relaxed);
  }
  // Moves up to half of what is queued, `most` at most, to `thief`, whose producer the caller is.
  // Returns one of them without queueing it; null if there was nothing.
  fiber* steal_into(run_queue& thief);

  // Whether the owner of the only worker is producer and consumer: nobody steals, and nobody sleeps
  // while it is awake, so that neither side needs a locked instruction. A hand-over of the worker
  // orders what its owners do, and others only ask for the size. REQUIRES: nobody uses the queue.
  void set_alone(bool is) { alone_ = is; }
  bool alone() const { return alone_; }

  // Frees the rings. REQUIRES: nobody uses the queue.
  void forget();

 private:
  struct ring {
    ring* replaced;  // the smaller one before it
    uint64_t mask;   // the capacity, a power of two, less one
    std::atomic<fiber*> slots[];
    uint64_t capacity() const { return mask + 1; }
    std::atomic<fiber*>& at(uint64_t place) { return slots[place & mask]; }
  };
  ring* larger(ring* present, uint64_t head, uint64_t tail);
  void make_room(uint64_t tail);
  fiber* pop_among_others();

  static constexpr uint64_t most_stolen = 128;

  alignas(64) std::atomic<uint64_t> head_{0};
  alignas(64) std::atomic<uint64_t> tail_{0};
  std::atomic<ring*> ring_{nullptr};
  uint64_t room_until_ = 0;  // the producer's: the tail at which it looks again how far the head is
  bool alone_ = false;
};

// The queue behind a lock: for fibers readied by the monitor, by threads that are not ours, and by
// carriers that have lost their worker.
class shared_queue {
 public:
  bool empty() const { return size() == 0; }
  uint64_t size() const { return count_.load(std::memory_order_seq_cst); }
  void push(fiber& f) {
    lock_guard guard(lock_);
    fibers_.push(&f);
    count_.fetch_add(1, std::memory_order_seq_cst);
  }
  fiber* pop() {
    if (count_.load(std::memory_order_relaxed) == 0) return nullptr;
    lock_guard guard(lock_);
    fiber* f = fibers_.pop();
    if (f != nullptr) count_.fetch_sub(1, std::memory_order_relaxed);
    return f;
  }
  // Moves what is queued, `most` at most, to a queue whose producer the caller is.
  void drain_into(run_queue& queue, unsigned most) {
    if (count_.load(std::memory_order_relaxed) == 0) return;
    lock_guard guard(lock_);
    for (unsigned i = 0; i < most; ++i) {
      fiber* f = fibers_.pop();
      if (f == nullptr) return;
      count_.fetch_sub(1, std::memory_order_relaxed);
      queue.push(*f);
    }
  }
  // In a forked child.
  void forget() {
    lock_.reset();
    fibers_ = {};
    count_ = 0;
  }

 private:
  lock lock_;
  fifo<fiber> fibers_;
  std::atomic<uint64_t> count_{0};
};

}  // namespace vervet
