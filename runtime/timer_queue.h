// Deadlines in order. Most come in order already, those of timeouts of one length above all: they
// stand in runs, to which one is appended if it is not earlier than the last. What fits no run goes
// to a 4-ary heap. Nodes know their place, so that cancelling costs O(1) in a run and O(log n) in
// the heap.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "runtime/deadline.h"

namespace vervet {

struct parker;

struct timer_node {
  static constexpr uint32_t unqueued = UINT32_MAX;
  uint32_t place = unqueued;
  parker* who = nullptr;  // whose wait `epoch` it ends
  uint64_t epoch = 0;
  bool queued() const { return place != unqueued; }
};

struct timer_entry {
  deadline when;
  timer_node* node;  // null in a run: cancelled
};

// A run of deadlines, none earlier than the one before it: a ring. The counters of its ends only
// grow while it is not empty; an entry's number is what its node knows.
class timer_run {
 public:
  static constexpr deadline before_all = INT64_MIN;
  bool empty() const { return head_ == tail_; }
  deadline first() const { return first_; }  // never if it is empty
  deadline last() const { return last_; }    // before_all if it is empty
  // Returns the entry's number, or `none` if no memory can be mapped. REQUIRES: last() <= when.
  static constexpr uint32_t none = UINT32_MAX;
  uint32_t append(deadline when, timer_node& node);
  // `renumber(node, number)` is told of entries that move.
  template <typename Renumber>
  void cancel(uint32_t number, Renumber renumber) {
    at(number).node = nullptr;
    ++cancelled_;
    trim();
    // Each is moved at the expense of one that was cancelled.
    constexpr uint32_t few = 64;
    if (cancelled_ > few && cancelled_ > (tail_ - head_) / 2) compact(renumber);
  }
  timer_node* pop();

 private:
  timer_entry& at(uint32_t number) const { return ring_[number & (capacity_ - 1)]; }
  bool grow();
  void trim();
  template <typename Renumber>
  void compact(Renumber renumber) {
    uint32_t kept = head_;
    for (uint32_t i = head_; i != tail_; ++i) {
      timer_entry e = at(i);
      if (e.node == nullptr) continue;
      renumber(*e.node, kept);
      at(kept++) = e;
    }
    tail_ = kept;
    cancelled_ = 0;
  }

  timer_entry* ring_ = nullptr;
  uint32_t capacity_ = 0;  // a power of two
  uint32_t head_ = 0;
  uint32_t tail_ = 0;
  uint32_t cancelled_ = 0;  // of those in between; never the first nor the last
  deadline first_ = never;
  deadline last_ = before_all;
};

// Of equal deadlines in one run the one that was added first comes first.
//
// Thread safety: none; the owner locks. Memory is mapped, never malloc'ed, and only grows.
class timer_queue {
 public:
  bool empty() const { return queued_ == 0; }
  uint32_t size() const { return queued_; }
  deadline earliest() const;
  // REQUIRES: !node.queued(), when < never. Returns false if no memory can be mapped.
  bool add(timer_node& node, deadline when);
  // No effect if the node is not queued.
  void remove(timer_node& node);
  // Removes and returns the earliest node if it is due at `time`, else null.
  timer_node* pop_due(deadline time);

 private:
  static constexpr uint32_t run_count = 4;
  // A place's upper bits tell where it is, the others which one there.
  static constexpr uint32_t number_bits = 29;
  static constexpr uint32_t number_mask = (1u << number_bits) - 1;
  static constexpr uint32_t in_heap = 0;  // else n + 1: in runs_[n]
  static uint32_t place_in_run(uint32_t run, uint32_t number) {
    return (run + 1) << number_bits | (number & number_mask);
  }

  uint32_t run_for(deadline when) const;
  bool append(uint32_t run, timer_node& node, deadline when);
  bool grow();
  bool add_to_heap(timer_node& node, deadline when);
  void remove_from_heap(timer_node& node);
  void put(uint32_t place, timer_entry e);
  void sift_up(uint32_t place, timer_entry e);
  void sift_down(uint32_t place, timer_entry e);

  uint32_t queued_ = 0;
  timer_run runs_[run_count];
  timer_entry* heap_ = nullptr;
  uint32_t size_ = 0;
  uint32_t capacity_ = 0;
};

}  // namespace vervet
