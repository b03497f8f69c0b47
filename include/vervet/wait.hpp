// Waiting for several objects, in the order they become ready: wait, iwait.
#pragma once

#include <algorithm>
#include <cerrno>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

#include <vervet/detail/observation.hpp>
#include <vervet/error.hpp>
#include <vervet/time.hpp>

namespace vervet {

// What can be waited for: a fiber (ready when it has ended) and whatever else says in its header
// that it is waitable; or a pointer of any kind to one. To be told that it is ready takes nothing
// from it: whoever then takes may be too late, and waits.
template <typename T>
concept waitable = detail::observable<T> || requires(T& pointer) {
  requires detail::observable<std::remove_reference_t<decltype(*pointer)>>;
};

// How to wait: wait(objects, {.timeout = 1s, .count = 2}).
struct wait_options {
  deadline timeout = {};         // when to return with what is ready
  std::size_t count = SIZE_MAX;  // how many must be ready; all, if there are fewer
};

namespace detail {

template <waitable T>
void add_to(observation& all, T& object) {
  if constexpr (observable<T>)
    all.add(object);
  else
    all.add(*object);
}

// False at the deadline.
inline bool next_ready(observation& all, std::size_t& which, deadline until) {
  int error = all.next(which, until.monotonic());
  if (error != 0 && error != ETIMEDOUT) throw_wait_error(error);
  return error == 0;
}

template <typename Range>
concept waitable_range = std::ranges::forward_range<Range> &&
    waitable<std::remove_reference_t<std::ranges::range_reference_t<Range>>>;

}  // namespace detail

// What iwait() returns: a range to be gone through once, by one flow. Movable only. At its end it
// lets go of the objects that were not ready.
template <typename T>
class ready_view {
 public:
  // Handles and pointers are kept; what cannot be copied must outlive the view.
  static constexpr bool copies = std::copy_constructible<T>;

  class iterator {
   public:
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = std::input_iterator_tag;

    explicit iterator(ready_view* of = nullptr) : of_(of) {}
    T& operator*() const { return of_->object(of_->which_); }
    iterator& operator++() {
      of_->advance();
      return *this;
    }
    void operator++(int) { of_->advance(); }
    bool operator==(std::default_sentinel_t) const { return of_->ended_; }

   private:
    ready_view* of_;
  };

  // What iwait() calls.
  template <typename Range>
  ready_view(Range&& objects, deadline until) : until_(until) {
    for (auto& object : objects) {
      if constexpr (copies)
        objects_.push_back(object);
      else
        objects_.push_back(std::addressof(object));
    }
    all_ = std::make_unique<detail::observation>(objects_.size());
    for (std::size_t i = 0; i < objects_.size(); ++i) detail::add_to(*all_, object(i));
  }
  ready_view(ready_view&&) = default;

  // begin() and the iterator's ++ wait for the next one: the range ends when all have been ready,
  // or at the deadline. They throw cut_short, would_block_forever.
  iterator begin() {
    advance();
    return iterator(this);
  }
  std::default_sentinel_t end() const noexcept { return {}; }

  // How many have not been ready yet.
  std::size_t left() const noexcept { return all_->left(); }

 private:
  T& object(std::size_t i) {
    if constexpr (copies)
      return objects_[i];
    else
      return *objects_[i];
  }
  void advance() { ended_ = all_->left() == 0 || !detail::next_ready(*all_, which_, until_); }

  std::vector<std::conditional_t<copies, T, T*>> objects_;
  std::unique_ptr<detail::observation> all_;  // dies before the objects
  deadline until_;
  std::size_t which_ = 0;
  bool ended_ = false;
};

// iwait() gives a range that yields the objects as they become ready, each once; the same object
// may be among them several times. What is ready already comes first, in the order given.
//   for (auto& f : vervet::iwait(fibers, 1s)) use(f.get());
// Going through the range blocks; see ready_view. Any thread.
template <detail::waitable_range Range>
auto iwait(Range&& objects, deadline until = {}) {
  using T = std::remove_cv_t<std::remove_reference_t<std::ranges::range_reference_t<Range>>>;
  static_assert(std::copy_constructible<T> || std::is_lvalue_reference_v<Range>,
                "objects that cannot be copied must outlive the view");
  return ready_view<T>(objects, until);
}

// wait() waits until all the objects, or `count` of them, are ready, and returns the ready ones in
// the order they became it: of a range, copies (of what cannot be copied, pointers); of objects one
// by one, their places in the call. Fewer at the deadline; it does not throw then.
//   std::vector<vervet::fiber<>> first = vervet::wait(fibers, {.count = 1});
//   std::vector<std::size_t> ready = vervet::wait({.timeout = 1s}, done, worker);
// The same object may be given several times. Blocks the calling flow. Throws cut_short,
// would_block_forever. Any thread.
template <detail::waitable_range Range>
auto wait(Range&& objects, const wait_options& options) {
  using T = std::remove_cv_t<std::remove_reference_t<std::ranges::range_reference_t<Range>>>;
  constexpr bool copies = std::copy_constructible<T>;
  std::vector<std::conditional_t<copies, T, T*>> ready;
  if (options.count == 0) return ready;
  for (T& object : iwait(objects, options.timeout)) {
    if constexpr (copies)
      ready.push_back(object);
    else
      ready.push_back(std::addressof(object));
    if (ready.size() == options.count) break;
  }
  return ready;
}
template <detail::waitable_range Range>
auto wait(Range&& objects, deadline until = {}) {
  return wait(objects, wait_options{.timeout = until});
}

// The same of objects one by one: returns their places in the call.
template <waitable... Objects>
requires(sizeof...(Objects) > 0) std::vector<std::size_t> wait(const wait_options& options,
                                                               Objects&... objects) {
  detail::observation all(sizeof...(Objects));
  (detail::add_to(all, objects), ...);
  std::vector<std::size_t> ready;
  std::size_t which, most = std::min(options.count, sizeof...(Objects));
  while (ready.size() < most && detail::next_ready(all, which, options.timeout))
    ready.push_back(which);
  return ready;
}
template <waitable... Objects>
requires(sizeof...(Objects) > 0) std::vector<std::size_t> wait(Objects&... objects) {
  return wait(wait_options{}, objects...);
}

}  // namespace vervet
