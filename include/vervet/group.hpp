// Fibers that belong together: group.
#pragma once

#include <concepts>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

#include <vervet/detail/group_core.hpp>
#include <vervet/fiber.hpp>
#include <vervet/imap.hpp>
#include <vervet/time.hpp>
#include <vervet/timeout.hpp>

namespace vervet {

// A group keeps the fibers that were spawned by it or added to it until they end: to wait for all
// of them, to kill them, to apply a function to many items at a time.
//
//     group workers;
//     for (auto& host : hosts) workers.spawn(fetch, host);
//     workers.join({}, true);
//
// It binds nobody: a member that fails leaves the others alone, and the fibers outlive the group
// (as in gevent; task_group does neither). pool is a group that has room for a number of fibers
// only.
//
// Thread safety: every call from any fiber or thread; members may live on different hubs.
// Lifetime: not to be destroyed while a call on it waits. Neither copyable nor movable.
class group {
 public:
  group() : core_(std::make_shared<detail::group_core>()) {}
  group(const group&) = delete;
  group& operator=(const group&) = delete;

  // spawn() is vervet::spawn(), and makes the fiber a member. In a pool it waits until there is
  // room; otherwise it never blocks. Throws what vervet::spawn() throws; in a pool cut_short and
  // would_block_forever, too.
  template <typename F, typename... Args>
  requires detail::spawnable<F, Args...>
  auto spawn(spawn_options options, F&& f, Args&&... args) {
    core_->enter();
    return core_->launch({options}, std::forward<F>(f), std::forward<Args>(args)...);
  }
  template <typename F, typename... Args>
  requires detail::spawnable<F, Args...>
  auto spawn(F&& f, Args&&... args) {
    return spawn(spawn_options{}, std::forward<F>(f), std::forward<Args>(args)...);
  }

  // add() makes a fiber a member until it ends; no effect if it is one. In a pool it waits for
  // room: returns false, and does not add it, if there is none by `until`. REQUIRES: the handle is
  // not empty.
  bool add(const fiber<>& f, deadline until = {}) {
    if (contains(f)) return true;
    if (!core_->enter(until)) return false;
    core_->add(f);
    return true;
  }

  // discard() takes a member out; it runs on. Returns whether it was one. Never blocks.
  bool discard(const fiber<>& f) noexcept { return core_->discard(f); }

  // join() waits until there is no member; if others are added meanwhile, until there was none for
  // once. Returns whether that was by `until`. With `raise_error` it then rethrows the first
  // exception that a member has ended with since the last join() that raised one: also one that
  // ended before the call (gevent's loses those). Killed members (cancelled()) have not failed.
  // What it will rethrow is not reported on stderr. Blocks the calling fiber, or the OS thread if
  // it hosts no living fiber. Throws would_block_forever (for one, to a member that joins without a
  // deadline); cut_short.
  bool join(deadline until = {}, bool raise_error = false) {
    collector collects{raise_error ? core_.get() : nullptr};
    int error = core_->await_empty(until);
    if (error == ETIMEDOUT) return false;
    if (error != 0) detail::throw_wait_error(error, "vervet: group: join");
    if (!raise_error) return true;
    if (std::exception_ptr first = core_->take_first_error()) std::rethrow_exception(first);
    return true;
  }

  // What join() with raise_error would rethrow; null: nothing. Never blocks.
  std::exception_ptr first_error() const noexcept { return core_->first_error(); }

  // kill() kills each member as fiber::kill() does, before it waits for any, and the members that
  // these add while they die; the calling fiber, if it is one, is passed over. Returns whether they
  // have ended, by `until` if `block` (gevent's tells nothing). Throws would_block_forever;
  // cut_short.
  bool kill(std::exception_ptr given, bool block = true, deadline until = {}) {
    return core_->kill(given, block, until);
  }
  template <detail::thrown E>
  bool kill(E&& given, bool block = true, deadline until = {}) {
    return kill(std::make_exception_ptr(std::forward<E>(given)), block, until);
  }
  bool kill(deadline until = {}) { return kill(std::exception_ptr(), true, until); }

  // killone() is f.kill() if it is a member. Returns whether it has ended; no other fiber is
  // touched.
  bool killone(const fiber<>& f, std::exception_ptr given = {}, bool block = true,
               deadline until = {}) {
    return contains(f) ? f.kill(std::move(given), block, until) : f.ready();
  }

  // How many members there are, and who, in the order they came; old news on return. Never block.
  std::size_t size() const noexcept { return core_->size(); }
  bool empty() const noexcept { return size() == 0; }
  bool contains(const fiber<>& f) const noexcept { return core_->contains(f.native_handle()); }
  std::vector<fiber<>> fibers() const { return core_->fibers(); }

  // apply() calls f(args...) in a member and returns its result or throws its exception. A member
  // that calls apply() calls f itself, so that a full pool does not wait for itself. If the wait is
  // cut, the call is killed and has ended when apply() throws.
  template <typename F, typename... Args>
  requires std::invocable<std::decay_t<F>, std::decay_t<Args>...>
  auto apply(F&& f, Args&&... args)
      -> std::invoke_result_t<std::decay_t<F>, std::decay_t<Args>...> {
    if (core_->contains(vervet_current()))
      return std::invoke(std::forward<F>(f), std::forward<Args>(args)...);
    core_->enter();
    return detail::collect(
        core_->launch({.collected = true}, std::forward<F>(f), std::forward<Args>(args)...));
  }
  // apply_async() is spawn().
  template <typename F, typename... Args>
  requires detail::spawnable<F, Args...>
  auto apply_async(F&& f, Args&&... args) {
    return spawn(std::forward<F>(f), std::forward<Args>(args)...);
  }

  // map() calls f(item) for each item, each in a member, and returns the results in the order of
  // the items: a vector, or nothing if f returns nothing. It leaves no call behind: when one has
  // thrown it lets the others end and rethrows the exception of the first such item (gevent's
  // returns while the rest runs); if its wait is cut it kills them and waits for them. One `f`
  // serves all calls; inside run() those are parallel. Items of a range that can be passed through
  // again are passed as they are, others are moved into the calls.
  template <typename F, std::ranges::input_range Range>
  auto map(F f, Range&& items) {
    using item = detail::map_item<Range>;
    using result = std::invoke_result_t<F&, item>;
    static_assert(!std::is_reference_v<result>, "map() returns values");
    std::vector<fiber<result>> calls;
    try {
      for (auto&& each : items) {
        core_->enter();
        calls.emplace_back();  // so that nothing throws when it runs
        auto call = [&f](item i) -> result { return std::invoke(f, static_cast<item&&>(i)); };
        if constexpr (std::is_reference_v<item>)
          calls.back() = core_->launch({.collected = true}, call, std::ref(each));
        else
          calls.back() =
              core_->launch({.collected = true}, call, item(std::forward<decltype(each)>(each)));
      }
      joinall(calls);
    } catch (...) {
      shield until_they_have_ended;
      killall(calls);
      throw;
    }
    if constexpr (std::is_void_v<result>) {
      for (auto& call : calls) call.get();
    } else {
      std::vector<result> results;
      results.reserve(calls.size());
      for (auto& call : calls) results.push_back(std::move(call).get());
      return results;
    }
  }

  // imap() is map() as it goes: a range of the results in the order of the items, which it takes
  // one by one as results are asked for. At most `maxsize` calls are running or waiting to be asked
  // for (0: no bound, all items are taken at once), nor more than a pool has room for.
  // imap_unordered() has them in the order the calls end. See imap_results.
  template <typename F, std::ranges::input_range Range>
  auto imap(F f, Range&& items, std::size_t maxsize = 0) {
    return imap_results<F, Range>(core_, std::move(f), std::forward<Range>(items), maxsize, true);
  }
  template <typename F, std::ranges::input_range Range>
  auto imap_unordered(F f, Range&& items, std::size_t maxsize = 0) {
    return imap_results<F, Range>(core_, std::move(f), std::forward<Range>(items), maxsize, false);
  }

 protected:
  explicit group(std::size_t limit) : core_(std::make_shared<detail::group_core>(limit)) {}

  std::shared_ptr<detail::group_core> core_;

 private:
  struct collector {
    detail::group_core* of;
    explicit collector(detail::group_core* core) : of(core) {
      if (of != nullptr) ++of->collectors;
    }
    ~collector() {
      if (of != nullptr) --of->collectors;
    }
  };
};

}  // namespace vervet
