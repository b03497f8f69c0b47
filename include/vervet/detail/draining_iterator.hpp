// What `for (auto& item : source)` uses over a queue or a channel. Not for direct use.
#pragma once

#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>

namespace vervet::detail {

// A single-pass iterator: each step is one source.next(), which waits, and whose nullopt is the
// end. It holds the item it stands at. Movable, not copyable.
template <typename Source, typename T>
class draining_iterator {
 public:
  using value_type = T;
  using difference_type = std::ptrdiff_t;
  using iterator_concept = std::input_iterator_tag;

  explicit draining_iterator(Source& source) : source_(&source), item_(source.next()) {}
  draining_iterator(draining_iterator&&) = default;
  // Written out for items that can be constructed but not assigned.
  draining_iterator& operator=(draining_iterator&& other) {
    source_ = other.source_;
    item_.reset();
    if (other.item_) item_.emplace(std::move(*other.item_));
    return *this;
  }

  T& operator*() const noexcept { return *item_; }
  T* operator->() const noexcept { return std::addressof(*item_); }

  draining_iterator& operator++() {
    item_.reset();
    if (std::optional<T> next = source_->next()) item_.emplace(std::move(*next));
    return *this;
  }
  void operator++(int) { ++*this; }

  friend bool operator==(const draining_iterator& at, std::default_sentinel_t) noexcept {
    return !at.item_.has_value();
  }

 private:
  Source* source_;
  mutable std::optional<T> item_;
};

}  // namespace vervet::detail
