// The limit of timers: a 4-ary heap whose nodes know their places, and nothing around it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace bare {

struct timer {
  std::size_t place = 0;
};

class heap {
 public:
  bool empty() const { return entries_.empty(); }
  int64_t earliest() const { return entries_[0].when; }

  void add(timer& t, int64_t when) {
    entries_.push_back({});
    up(entries_.size() - 1, {when, &t});
  }
  // REQUIRES: it is in the heap.
  void remove(timer& t) {
    std::size_t hole = t.place;
    entry last = entries_.back();
    entries_.pop_back();
    if (hole == entries_.size()) return;
    if (hole > 0 && last.when < entries_[(hole - 1) / 4].when)
      up(hole, last);
    else
      down(hole, last);
  }
  timer* pop() {
    timer* first = entries_[0].who;
    remove(*first);
    return first;
  }

 private:
  struct entry {
    int64_t when;
    timer* who;
  };

  void put(std::size_t place, entry e) {
    entries_[place] = e;
    e.who->place = place;
  }
  void up(std::size_t place, entry e) {
    while (place > 0) {
      std::size_t parent = (place - 1) / 4;
      if (entries_[parent].when <= e.when) break;
      put(place, entries_[parent]);
      place = parent;
    }
    put(place, e);
  }
  void down(std::size_t place, entry e) {
    for (;;) {
      std::size_t child = 4 * place + 1, end = child + 4;
      if (child >= entries_.size()) break;
      if (end > entries_.size()) end = entries_.size();
      std::size_t least = child;
      while (++child < end)
        if (entries_[child].when < entries_[least].when) least = child;
      if (entries_[least].when >= e.when) break;
      put(place, entries_[least]);
      place = least;
    }
    put(place, e);
  }

  std::vector<entry> entries_;
};

}  // namespace bare
