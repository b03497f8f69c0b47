#include "runtime/timer_queue.h"

#include <string.h>
#include <sys/mman.h>

#include "runtime/sys.h"

namespace vervet {

bool timer_queue::grow() {
  uint32_t wanted = capacity_ == 0 ? 4096 / sizeof(entry) : capacity_ * 2;
  void* bigger = sys::map(nullptr, wanted * sizeof(entry), PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS);
  if (bigger == nullptr) return false;
  if (heap_ != nullptr) {
    memcpy(bigger, heap_, size_ * sizeof(entry));
    sys::unmap(heap_, capacity_ * sizeof(entry));
  }
  heap_ = static_cast<entry*>(bigger);
  capacity_ = wanted;
  return true;
}

void timer_queue::put(uint32_t place, entry e) {
  heap_[place] = e;
  e.node->place = place;
}

void timer_queue::sift_up(uint32_t place, entry e) {
  while (place > 0) {
    uint32_t parent = (place - 1) / 4;
    if (heap_[parent].when <= e.when) break;
    put(place, heap_[parent]);
    place = parent;
  }
  put(place, e);
}

void timer_queue::sift_down(uint32_t place, entry e) {
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

bool timer_queue::add(timer_node& node, deadline when) {
  if (size_ == capacity_ && !grow()) return false;
  uint32_t place = size_++;
  sift_up(place, {when, &node});
  return true;
}

void timer_queue::remove(timer_node& node) {
  if (!node.queued()) return;
  uint32_t place = node.place;
  node.place = timer_node::unqueued;
  entry last = heap_[--size_];
  if (place == size_) return;
  if (place > 0 && last.when < heap_[(place - 1) / 4].when)
    sift_up(place, last);
  else
    sift_down(place, last);
}

timer_node* timer_queue::pop_due(deadline time) {
  if (size_ == 0 || heap_[0].when > time) return nullptr;
  timer_node* node = heap_[0].node;
  remove(*node);
  return node;
}

}  // namespace vervet
