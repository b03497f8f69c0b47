// The runnable flows of a light hub, first in, first out. A ring of pointers, so that whoever turns to one
// can tell the processor who comes later: with many, each is far from its caches by its turn.
//
// It is never empty: it holds the end of the round, before which timers and inbox are due. So there is
// nothing to count, and nothing to test but that one pointer.
//
// Thread safety: the hub's host alone.
#pragma once

#include <stdint.h>

namespace vervet {

struct fiber;

class ready_queue {
 public:
  explicit ready_queue(fiber& round_end);
  ready_queue(const ready_queue&) = delete;
  ready_queue& operator=(const ready_queue&) = delete;

  void push(fiber& f) {
    if (!append(f)) [[unlikely]]
      grow();
  }
  // The same, but grow() is the caller's to call, if it returns false, before anything else.
  bool append(fiber& f) {
    *tail_ = &f;
    tail_ = after(tail_);
    return tail_ != head_;
  }
  void grow();
  // As it was made; what it has grown by goes back. REQUIRES: only_round_end().
  void reset();

  fiber& first() const { return **head_; }
  fiber& pop() {
    fiber& f = first();
    head_ = after(head_);
    return f;
  }
  // The first one goes to the end.
  void rotate() {
    *tail_ = *head_;
    head_ = after(head_);
    tail_ = after(tail_);
  }
  // The one that stands `place` behind the first; any flow that was ever queued if there is none.
  static constexpr unsigned farthest = 4;
  fiber& peek(unsigned place) const { return *head_[place]; }

  // How many are queued, the end of the round among them.
  uint64_t size() const {
    return static_cast<uint64_t>(tail_ >= head_ ? tail_ - head_ : tail_ - head_ + (end_ - begin_));
  }
  bool only_round_end() const { return after(head_) == tail_; }

 private:
  fiber** after(fiber** slot) const { return slot + 1 == end_ ? begin_ : slot + 1; }

  void give_back();

  static constexpr unsigned first_capacity = 64;
  fiber* first_slots_[first_capacity + farthest];
  // One slot at least is free. Beyond the end there are some for peek().
  fiber** head_;
  fiber** tail_;
  fiber** begin_;
  fiber** end_;
};

}  // namespace vervet
