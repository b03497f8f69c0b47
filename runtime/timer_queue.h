// Deadlines in order: a 4-ary heap whose nodes know their place, so that cancelling costs O(log n).
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

// Thread safety: none; the owner locks. Memory is mapped, never malloc'ed, and only grows.
class timer_queue {
 public:
  bool empty() const { return size_ == 0; }
  uint32_t size() const { return size_; }
  deadline earliest() const { return size_ == 0 ? never : heap_[0].when; }
  // REQUIRES: !node.queued(). Returns false if no memory can be mapped.
  bool add(timer_node& node, deadline when);
  // No effect if the node is not queued.
  void remove(timer_node& node);
  // Removes and returns the earliest node if it is due at `time`, else null.
  timer_node* pop_due(deadline time);

 private:
  struct entry {
    deadline when;
    timer_node* node;
  };
  bool grow();
  void put(uint32_t place, entry e);
  void sift_up(uint32_t place, entry e);
  void sift_down(uint32_t place, entry e);

  entry* heap_ = nullptr;
  uint32_t size_ = 0;
  uint32_t capacity_ = 0;
};

}  // namespace vervet
