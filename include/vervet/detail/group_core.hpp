// What a group shares with its members' ends: who belongs to it, how many may, what failed first.
// Not for direct use.
#pragma once

#include <atomic>
#include <cerrno>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include <vervet/detail/wait_queue.hpp>
#include <vervet/fiber.hpp>
#include <vervet/semaphore.hpp>
#include <vervet/time.hpp>
#include <vervet/timeout.hpp>

namespace vervet::detail {

// Is told of a member's end, when its slot is free again. With a lock held: must not block or
// throw.
struct end_listener {
  virtual ~end_listener() = default;
  virtual void ended(std::uint64_t ticket) noexcept = 0;
};

// How a member is started.
struct launch_options {
  spawn_options spawn = {};
  bool collected =
      false;  // who started it will be told of its exception: it is none of the group's
  std::shared_ptr<end_listener> listener = nullptr;
  std::uint64_t ticket = 0;
};

// Thread safety: every call from any flow. Members keep it alive.
// Lock order: a fiber's lock, then this one.
class group_core : public std::enable_shared_from_this<group_core> {
 public:
  explicit group_core(std::optional<std::size_t> limit = {}) {
    if (limit) slots_.emplace(static_cast<std::ptrdiff_t>(*limit));
  }
  group_core(const group_core&) = delete;
  group_core& operator=(const group_core&) = delete;
  virtual ~group_core() = default;

  // Takes a slot; false if none is free by `until`. Throws as semaphore::acquire().
  bool enter(deadline until = {}) { return !slots_ || slots_->acquire(until); }
  bool try_enter() noexcept { return !slots_ || slots_->try_acquire(); }
  void leave() noexcept {
    if (slots_) slots_->release();
  }
  std::ptrdiff_t free_slots() const noexcept { return slots_ ? slots_->value() : -1; }

  // Spawns a member into the slot that the caller has taken; gives the slot back if that throws.
  template <typename F, typename... Args>
  auto launch(launch_options how, F&& f, Args&&... args) {
    taken_slot slot{this};
    auto made = std::make_unique<member>(*this);
    made->listener = std::move(how.listener);
    made->ticket = how.ticket;
    made->failure_counts = !how.collected;
    guarded<std::decay_t<F>> call{std::forward<F>(f), shared_from_this(), how.collected};
    auto spawned = vervet::spawn(how.spawn, std::move(call), std::forward<Args>(args)...);
    made->who = spawned;
    slot.of = nullptr;
    admit(std::move(made));
    return spawned;
  }

  // Adds a fiber, into a slot as launch() does. One that has ended leaves at once.
  void add(fiber<> who) {
    taken_slot slot{this};
    auto made = std::make_unique<member>(*this);
    made->who = std::move(who);
    slot.of = nullptr;
    admit(std::move(made));
  }

  // False if it is no member.
  bool discard(const fiber<>& who) noexcept {
    std::shared_ptr<group_core> alive = shared_from_this();
    std::unique_ptr<member> gone;
    wakes woken;
    {
      std::lock_guard guard(lock_);
      member* m = find(who.native_handle());
      // It is ending at this moment, and frees the slot.
      if (m == nullptr || m->ended) return false;
      if (m->listener) {
        m->discarded = true;  // its end is still to be told
      } else {
        if (!m->claim()) return false;
        gone.reset(m);
      }
      unlink(*m);
      if (first_ == nullptr) woken.add_all(idle_);
    }
    if (gone) gone->who.unobserve(gone->link);
    leave();
    return true;
  }

  bool contains(const vervet_fiber* who) const noexcept {
    std::lock_guard guard(lock_);
    return who != nullptr && find(who) != nullptr;
  }
  std::size_t size() const noexcept {
    std::lock_guard guard(lock_);
    return size_;
  }
  std::vector<fiber<>> fibers() const {
    std::vector<fiber<>> all;
    all.reserve(size());
    std::lock_guard guard(lock_);
    for (member* m = first_; m != nullptr; m = m->next) all.push_back(m->who);
    return all;
  }

  // Waits until there is no member, once: 0, or what selection::sleep() returns.
  int await_empty(deadline until) noexcept {
    std::unique_lock guard(lock_);
    if (first_ == nullptr) return 0;
    if (until == deadline::never() && find(vervet_current()) != nullptr) return EDEADLK;
    return idle_.try_wait(guard, until.monotonic());
  }

  // Kills all members but the calling fiber, and those that they add while they die. Returns
  // whether they have ended, by `until` if `block`.
  bool kill(const std::exception_ptr& given, bool block, deadline until) {
    std::uint64_t round = next_round();
    bool all_ended = true;
    for (;;) {
      std::vector<fiber<>> victims = take_victims(round);
      if (victims.empty()) return all_ended;
      for (const fiber<>& f : victims)
        if (!f.kill(given, false)) all_ended = false;
      if (!block) return all_ended;
      if (!joinall(victims, until)) return false;
      all_ended = true;
    }
  }

  // The first failure of a member that nobody took yet.
  std::exception_ptr first_error() const noexcept {
    std::lock_guard guard(lock_);
    return first_error_;
  }
  std::exception_ptr take_first_error() noexcept {
    std::lock_guard guard(lock_);
    return std::exchange(first_error_, nullptr);
  }

  // While there are any, a member's exception is not reported on stderr.
  std::atomic<unsigned> collectors{0};

 protected:
  // In a member that fails, with the exception being handled; no lock is held. True: somebody will
  // be told of the exception.
  virtual bool failing() noexcept { return collectors.load() != 0; }

 private:
  struct member : selection {
    explicit member(group_core& core)
        : selection(&group_core::on_end), of(core.shared_from_this()) {
      link.of = this;
    }

    std::shared_ptr<group_core> of;
    fiber<> who;
    waiter link;  // at `who`
    std::shared_ptr<end_listener> listener;
    std::uint64_t ticket = 0;
    std::uint64_t killed_in = 0;
    bool failure_counts = true;
    bool linked = false;
    bool ended = false;
    bool discarded = false;  // no member any more
    member* next = nullptr;
    member* previous = nullptr;
  };

  struct taken_slot {
    group_core* of;
    ~taken_slot() {
      if (of != nullptr) of->leave();
    }
  };

  // The callable, and what happens to the exception that leaves it.
  template <typename F>
  struct guarded {
    F f;
    std::shared_ptr<group_core> of;
    bool collected;

    template <typename... Args>
    requires std::invocable<F, Args...> std::invoke_result_t<F, Args...>
    operator()(Args&&... args) && {
      try {
        return std::invoke(std::move(f), std::forward<Args>(args)...);
      } catch (const fiber_exit&) {
        throw;
      } catch (...) {
        // None: pthread_exit() unwinds.
        if (std::current_exception() && (collected || of->failing()))
          ++static_cast<fiber_state*>(flow_locals_here().owner)->collectors;
        throw;
      }
    }
  };

  void admit(std::unique_ptr<member> owned) noexcept {
    member& m = *owned;
    if (!m.who.observe(m.link)) return finish(std::move(owned), false);
    {
      std::lock_guard guard(lock_);
      if (!m.ended) {
        link(*owned.release());
        return;
      }
    }
    finish(std::move(owned), false);
  }

  // By the ending fiber, which holds its lock.
  static void on_end(selection& s) noexcept {
    auto& m = static_cast<member&>(s);
    {
      std::lock_guard guard(m.of->lock_);
      m.ended = true;
      if (!m.linked) return;  // admit() is about to see it
    }
    m.of->finish(std::unique_ptr<member>(&m), true);
  }

  void finish(std::unique_ptr<member> m, bool is_linked) noexcept {
    std::shared_ptr<group_core> alive = m->of;
    bool failed = m->failure_counts && !m->who.successful() && !m->who.cancelled();
    wakes woken;
    {
      std::lock_guard guard(lock_);
      if (failed && !first_error_) first_error_ = m->who.exception();
      if (is_linked && !m->discarded) unlink(*m);
      if (first_ == nullptr) woken.add_all(idle_);
    }
    if (!m->discarded) leave();
    if (m->listener) m->listener->ended(m->ticket);
  }

  std::uint64_t next_round() noexcept {
    std::lock_guard guard(lock_);
    return ++rounds_;
  }

  std::vector<fiber<>> take_victims(std::uint64_t round) {
    std::vector<fiber<>> victims;
    victims.reserve(size());
    vervet_fiber* self = vervet_current();
    std::lock_guard guard(lock_);
    for (member* m = first_; m != nullptr; m = m->next) {
      if (m->killed_in >= round || m->who.native_handle() == self) continue;
      victims.push_back(m->who);
      m->killed_in = round;
    }
    return victims;
  }

  // REQUIRES, for these: the lock.
  member* find(const vervet_fiber* who) const noexcept {
    member* m = first_;
    while (m != nullptr && m->who.native_handle() != who) m = m->next;
    return m;
  }
  void link(member& m) noexcept {
    m.linked = true;
    m.previous = last_;
    (last_ != nullptr ? last_->next : first_) = &m;
    last_ = &m;
    ++size_;
  }
  void unlink(member& m) noexcept {
    (m.previous != nullptr ? m.previous->next : first_) = m.next;
    (m.next != nullptr ? m.next->previous : last_) = m.previous;
    --size_;
  }

  std::optional<semaphore> slots_;  // none: any number
  mutable guard_lock lock_;         // guards what follows
  wait_queue idle_;
  member* first_ = nullptr;  // in the order they came
  member* last_ = nullptr;
  std::size_t size_ = 0;
  std::uint64_t rounds_ = 0;
  std::exception_ptr first_error_;
};

// Joins `call`, which the caller will not leave behind: if the wait is cut, kills it and waits for
// its end. Its exception is rethrown.
template <typename T>
T collect(fiber<T> call) {
  try {
    call.join();
  } catch (...) {
    shield until_it_has_ended;
    call.kill();
    throw;
  }
  return std::move(call).get();
}

}  // namespace vervet::detail
