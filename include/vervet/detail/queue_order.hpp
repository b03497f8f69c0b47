// Which item of a queue comes out next. Not for direct use.
#pragma once

#include <cstddef>
#include <deque>
#include <set>
#include <utility>

namespace vervet::detail {

// An order is a container: front() is next, drop_front() removes that, push() adds or throws and
// leaves everything as it was; drain() moves all of them out, to be destroyed outside of a lock.

template <typename T>
class first_in_first_out {
 public:
  bool empty() const noexcept { return items_.empty(); }
  std::size_t size() const noexcept { return items_.size(); }
  T& front() noexcept { return items_.front(); }
  void push(T&& item) { items_.push_back(std::move(item)); }
  void drop_front() noexcept { items_.pop_front(); }

  first_in_first_out drain() {
    first_in_first_out all;
    all.items_.swap(items_);
    return all;
  }

 private:
  std::deque<T> items_;
};

template <typename T>
class last_in_first_out {
 public:
  bool empty() const noexcept { return items_.empty(); }
  std::size_t size() const noexcept { return items_.size(); }
  T& front() noexcept { return items_.back(); }
  void push(T&& item) { items_.push_back(std::move(item)); }
  void drop_front() noexcept { items_.pop_back(); }

  last_in_first_out drain() {
    last_in_first_out all;
    all.items_.swap(items_);
    return all;
  }

 private:
  std::deque<T> items_;
};

// A multiset puts an item behind its equals: they come out as they went in, which a heap would need
// a running number for.
template <typename T, typename Compare>
class least_first {
 public:
  explicit least_first(Compare compare = {}) : items_(std::move(compare)) {}

  bool empty() const noexcept { return items_.empty(); }
  std::size_t size() const noexcept { return items_.size(); }
  // It is only moved from, and dropped then: the order never sees a changed item.
  T& front() noexcept { return const_cast<T&>(*items_.begin()); }
  void push(T&& item) { items_.insert(std::move(item)); }
  void drop_front() noexcept { items_.erase(items_.begin()); }

  least_first drain() {
    least_first all(items_.key_comp());
    all.items_.swap(items_);
    return all;
  }

 private:
  std::multiset<T, Compare> items_;
};

}  // namespace vervet::detail
