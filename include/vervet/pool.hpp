// A group with room for so many: pool.
#pragma once

#include <cstddef>
#include <utility>

#include <vervet/group.hpp>

namespace vervet {

// A pool is a group of at most so many members: spawn() and all that spawns wait for room, in the
// order they came. What bounds a crawler's connections, a server's handlers.
//
//     pool workers(10);
//     for (auto& job : jobs) workers.spawn(run, job);   // waits while ten run
//     workers.join();
//
// A member that spawns into its own full pool waits for room that it takes itself:
// would_block_forever if all do. A pool of 0 has room for nobody.
class pool : public group {
 public:
  // Throws std::invalid_argument if `size` is beyond PTRDIFF_MAX.
  explicit pool(std::size_t size) : group(size), room_(size) {}

  // try_spawn() spawns if there is room; else returns an empty handle. Never blocks. Throws what
  // vervet::spawn() throws.
  template <typename F, typename... Args>
  requires detail::spawnable<F, Args...>
  auto try_spawn(F&& f, Args&&... args) -> fiber<detail::spawn_result_t<F, Args...>> {
    if (!core_->try_enter()) return {};
    return core_->launch({}, std::forward<F>(f), std::forward<Args>(args)...);
  }

  // try_spawn_until() waits for room as spawn() does, until `until`: then returns an empty handle.
  // Throws what spawn() throws.
  template <typename F, typename... Args>
  requires detail::spawnable<F, Args...>
  auto try_spawn_until(deadline until, F&& f, Args&&... args)
      -> fiber<detail::spawn_result_t<F, Args...>> {
    if (!core_->enter(until)) return {};
    return core_->launch({}, std::forward<F>(f), std::forward<Args>(args)...);
  }

  // wait_available() waits until there is room, in line with those who spawn. Returns whether there
  // is, by `until`; somebody else may take it. Throws cut_short, would_block_forever.
  bool wait_available(deadline until = {}) {
    if (!core_->enter(until)) return false;
    core_->leave();
    return true;
  }

  // The most members, how many more there is room for, and whether for none; the latter two are old
  // news on return. Never block.
  std::size_t capacity() const noexcept { return room_; }
  std::size_t free_count() const noexcept { return static_cast<std::size_t>(core_->free_slots()); }
  bool full() const noexcept { return free_count() == 0; }

 private:
  std::size_t room_;
};

}  // namespace vervet
