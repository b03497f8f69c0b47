#include "runtime/timer_queue.h"

#include <string.h>
#include <sys/mman.h>

#include "runtime/sys.h"

namespace vervet {

namespace {

constexpr uint32_t least_capacity = 4096 / sizeof(timer_entry);

timer_entry* map_entries(uint32_t count) {
  return static_cast<timer_entry*>(sys::map(nullptr, count * sizeof(timer_entry),
                                            PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS));
}

}  // namespace

bool timer_run::grow() {
  constexpr uint32_t most = 1u << 28;  // fewer than numbers can tell apart
  uint32_t wanted = capacity_ == 0 ? least_capacity : capacity_ * 2;
  timer_entry* bigger = wanted > most ? nullptr : map_entries(wanted);
  if (bigger == nullptr) return false;
  for (uint32_t i = head_; i != tail_; ++i) bigger[i & (wanted - 1)] = at(i);
  if (ring_ != nullptr) sys::unmap(ring_, capacity_ * sizeof(timer_entry));
  ring_ = bigger;
  capacity_ = wanted;
  return true;
}

uint32_t timer_run::append(deadline when, timer_node& node) {
  if (tail_ - head_ == capacity_ && !grow()) return none;
  if (empty()) first_ = when;
  last_ = when;
  at(tail_) = {when, &node};
  return tail_++;
}

void timer_run::trim() {
  for (; head_ != tail_ && at(head_).node == nullptr; ++head_) --cancelled_;
  for (; head_ != tail_ && at(tail_ - 1).node == nullptr; --tail_) --cancelled_;
  first_ = empty() ? never : at(head_).when;
  last_ = empty() ? before_all : at(tail_ - 1).when;
}

timer_node* timer_run::pop() {
  timer_node* node = at(head_++).node;
  trim();
  return node;
}

bool timer_queue::grow() {
  uint32_t wanted = capacity_ == 0 ? least_capacity : capacity_ * 2;
  timer_entry* bigger = wanted > number_mask ? nullptr : map_entries(wanted);
  if (bigger == nullptr) return false;
  if (heap_ != nullptr) {
    memcpy(bigger, heap_, size_ * sizeof(timer_entry));
    sys::unmap(heap_, capacity_ * sizeof(timer_entry));
  }
  heap_ = bigger;
  capacity_ = wanted;
  return true;
}

void timer_queue::put(uint32_t place, timer_entry e) {
  heap_[place] = e;
  e.node->place = in_heap << number_bits | place;
}

void timer_queue::sift_up(uint32_t place, timer_entry e) {
  while (place > 0) {
    uint32_t parent = (place - 1) / 4;
    if (heap_[parent].when <= e.when) break;
    put(place, heap_[parent]);
    place = parent;
  }
  put(place, e);
}

void timer_queue::sift_down(uint32_t place, timer_entry e) {
  for (;;) {
    uint32_t child = place * 4 + 1;
    if (child >= size_) break;
    uint32_t last = child + 4 < size_ ? child + 4 : size_;
    uint32_t least = child;
    for (uint32_t i = child + 1; i < last; ++i)
      if (heap_[i].when < heap_[least].when) least = i;
    if (e.when <= heap_[least].when) break;
    put(place, heap_[least]);
    place = least;
  }
  put(place, e);
}

bool timer_queue::add_to_heap(timer_node& node, deadline when) {
  if (size_ == capacity_ && !grow()) return false;
  uint32_t place = size_++;
  sift_up(place, {when, &node});
  return true;
}

void timer_queue::remove_from_heap(timer_node& node) {
  uint32_t place = node.place;
  timer_entry last = heap_[--size_];
  if (place == size_) return;
  if (place > 0 && last.when < heap_[(place - 1) / 4].when)
    sift_up(place, last);
  else
    sift_down(place, last);
}

// The run that `when` fits the closest, else an empty one; run_count if there is neither.
uint32_t timer_queue::run_for(deadline when) const {
  uint32_t best = run_count;
  deadline closest = timer_run::before_all;
  for (uint32_t i = 0; i < run_count; ++i) {
    deadline last = runs_[i].last();
    bool fits = last <= when && (last > closest || best == run_count);
    best = fits ? i : best;
    closest = fits ? last : closest;
  }
  return best;
}

bool timer_queue::append(uint32_t run, timer_node& node, deadline when) {
  uint32_t number = runs_[run].append(when, node);
  if (number == timer_run::none) return false;
  node.place = place_in_run(run, number);
  return true;
}

bool timer_queue::add(timer_node& node, deadline when) {
  uint32_t run = run_for(when);
  bool added = (run != run_count && append(run, node, when)) || add_to_heap(node, when);
  queued_ += added;
  return added;
}

void timer_queue::remove(timer_node& node) {
  if (!node.queued()) return;
  --queued_;
  uint32_t where = node.place >> number_bits;
  if (where == in_heap) {
    remove_from_heap(node);
  } else {
    uint32_t run = where - 1;
    runs_[run].cancel(node.place & number_mask, [run](timer_node& moved, uint32_t number) {
      moved.place = place_in_run(run, number);
    });
  }
  node.place = timer_node::unqueued;
}

deadline timer_queue::earliest() const {
  deadline least = size_ == 0 ? never : heap_[0].when;
  for (const timer_run& run : runs_)
    if (run.first() < least) least = run.first();
  return least;
}

timer_node* timer_queue::pop_due(deadline time) {
  deadline least = size_ == 0 ? never : heap_[0].when;
  timer_run* from = nullptr;
  for (timer_run& run : runs_)
    if (run.first() < least) {
      least = run.first();
      from = &run;
    }
  if (least > time || least == never) return nullptr;
  --queued_;
  timer_node* node = from != nullptr ? from->pop() : heap_[0].node;
  if (from == nullptr) remove_from_heap(*node);
  node->place = timer_node::unqueued;
  return node;
}

}  // namespace vervet
