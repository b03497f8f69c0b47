// What cuts several waits short at once, from outside of their calls: timeout, with_timeout,
// stop_scope; and what keeps cuts away: shield.
//
// Each is a guard on the stack of the flow (fiber or OS thread) that it is for, and cuts the waits
// of that flow alone: what other fibers do for it goes on. None of them touches a flow that
// computes: it acts on the wait that the flow is in, or on its next one.
#pragma once

#include <atomic>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <optional>
#include <stop_token>
#include <type_traits>
#include <utility>

#include <vervet/abi.h>
#include <vervet/error.hpp>
#include <vervet/time.hpp>

namespace vervet {
namespace detail {

// A scope of the calling flow. Not for direct use.
class scope_guard {
 public:
  scope_guard(const scope_guard&) = delete;
  scope_guard& operator=(const scope_guard&) = delete;
  // On the stack alone: they must end in the order in which they stand.
  static void* operator new(std::size_t) = delete;
  static void* operator new[](std::size_t) = delete;

 protected:
  struct entered : vervet_scope {
    scope_guard* guard;
  };

  scope_guard(const char* name, std::int64_t until, std::uint32_t flags,
              void (*raise)(vervet_scope*))
      : scope_{}, name_(name), flow_(vervet_self()) {
    scope_.deadline = until;
    scope_.flags = flags;
    scope_.raise = raise;
    scope_.guard = this;
    vervet_scope_enter(&scope_);
  }

  ~scope_guard() {
    check_flow();
    vervet_scope_leave(&scope_);
  }

  void check_flow() const noexcept {
    if (flow_ == vervet_self()) return;
    std::fprintf(stderr, "vervet: a %s was used by another fiber or thread than it is for\n",
                 name_);
    std::abort();
  }

  // Each cut has a number of its own, so that an exception tells whose it is.
  std::uint64_t count_cut() noexcept {
    static std::atomic<std::uint64_t> cuts{0};
    return cut_ = ++cuts;
  }

  entered scope_;
  std::uint64_t cut_ = 0;  // the last one

 private:
  const char* name_;
  std::uint64_t flow_;
};

}  // namespace detail

class timeout;
class stop_scope;

// What a timeout throws. It may be an outer one's: who catches it must let those pass.
//   catch (const vervet::timeout_expired& t) { if (!t.is(mine)) throw; }
class timeout_expired : public cut_short {
 public:
  const char* what() const noexcept override { return "vervet: a timeout has expired"; }
  // Whether it comes from that one.
  bool is(const timeout& which) const noexcept;

 private:
  friend class timeout;
  explicit timeout_expired(std::uint64_t cut) : cut_(cut) {}
  std::uint64_t cut_;
};

// What a stop_scope throws.
class stop_requested : public cut_short {
 public:
  const char* what() const noexcept override { return "vervet: a stop was requested"; }
  // Whether it comes from that one.
  bool is(const stop_scope& which) const noexcept;

 private:
  friend class stop_scope;
  explicit stop_requested(std::uint64_t cut) : cut_(cut) {}
  std::uint64_t cut_;
};

// While a timeout lives, the flow's waits that last beyond its deadline throw timeout_expired;
// once: afterwards it is spent, and cleaning up may wait.
//
//     vervet::timeout limit(5s);
//     auto line = reader.read_line();  // all of these together
//     writer.write(answer(line));      // take five seconds at most
//
// They nest; of several that are due, the innermost throws first (gevent's: the first one to fire).
// A deadline that has passed already cuts the next wait. A wait that has succeeded meanwhile
// returns. Not copyable. For the flow that made it, which must destroy it: else the process is
// aborted, with a message.
class timeout : private detail::scope_guard {
 public:
  // For the calling flow, from now on. Never blocks or throws.
  [[nodiscard]] explicit timeout(deadline until)
      : scope_guard("timeout", until.monotonic(), 0, &raise) {}

  // It will throw no more.
  void cancel() noexcept { reschedule(deadline::never()); }

  // Another deadline instead, also after it has thrown or was cancelled (gevent has no such call).
  void reschedule(deadline until) noexcept {
    check_flow();
    scope_.deadline = until.monotonic();
    scope_.fired = 0;
  }

  // Whether it has thrown, since it was made or rescheduled.
  bool expired() const noexcept { return scope_.fired != 0; }

 private:
  friend class timeout_expired;

  static void raise(vervet_scope* due) {
    throw timeout_expired(static_cast<timeout*>(static_cast<entered*>(due)->guard)->count_cut());
  }
};

inline bool timeout_expired::is(const timeout& which) const noexcept { return cut_ == which.cut_; }

// with_timeout() returns f(), or nothing if that has not returned by `until`: f's waits are cut by
// a timeout of its own. The timeouts around it, and f's other exceptions, pass through. f() without
// a result: returns whether it has returned in time. Blocks as f does, in the calling flow.
template <std::invocable F>
auto with_timeout(deadline until, F&& f) {
  using T = std::invoke_result_t<F>;
  timeout limit(until);
  if constexpr (std::is_void_v<T>) {
    try {
      std::invoke(std::forward<F>(f));
      return true;
    } catch (const timeout_expired& expired) {
      if (!expired.is(limit)) throw;
      return false;
    }
  } else {
    using value = std::optional<std::remove_cvref_t<T>>;
    try {
      return value(std::in_place, std::invoke(std::forward<F>(f)));
    } catch (const timeout_expired& expired) {
      if (!expired.is(limit)) throw;
      return value();
    }
  }
}

// The same; returns `otherwise` in place of nothing.
template <std::invocable F, typename Value>
requires std::convertible_to<Value, std::remove_cvref_t<std::invoke_result_t<F>>>
auto with_timeout(deadline until, F&& f, Value&& otherwise)
    -> std::remove_cvref_t<std::invoke_result_t<F>> {
  if (auto result = with_timeout(until, std::forward<F>(f))) return *std::move(result);
  return std::forward<Value>(otherwise);
}

// While a shield lives, nothing around it cuts the flow's waits: no kill, no timeout or stop_scope
// that was there before it. What was due meanwhile comes at the first wait after it. For what must
// be finished once it is begun, and for destructors that wait. Unlike asyncio's it takes no fiber:
// the code stands inside. Not copyable. As a timeout it belongs to the flow that made it.
class shield : private detail::scope_guard {
 public:
  [[nodiscard]] shield() : scope_guard("shield", VERVET_NEVER, VERVET_SCOPE_SHIELD, nullptr) {}
};

// While a stop_scope lives, a request to stop cuts the flow's wait, or its next one: it throws
// stop_requested; once.
// The request may come from any thread. Not copyable. As a timeout it belongs to the flow that made
// it.
class stop_scope : private detail::scope_guard {
 public:
  // For the calling flow, from now on. Never blocks.
  [[nodiscard]] explicit stop_scope(std::stop_token token)
      : scope_guard("stop_scope", VERVET_NEVER, 0, &raise),
        on_request_(std::in_place, std::move(token), cutter{this}) {}
  ~stop_scope() { on_request_.reset(); }

 private:
  friend class stop_requested;

  struct cutter {
    stop_scope* of;
    void operator()() const noexcept { vervet_scope_cancel(&of->scope_); }
  };

  static void raise(vervet_scope* due) {
    auto* scope = static_cast<stop_scope*>(static_cast<entered*>(due)->guard);
    throw stop_requested(scope->count_cut());
  }

  std::optional<std::stop_callback<cutter>> on_request_;
};

inline bool stop_requested::is(const stop_scope& which) const noexcept {
  return cut_ == which.cut_;
}

// Sleeps as sleep_for(span) does, until a stop is requested. Returns false in that case. Throws
// cut_short for other reasons.
template <typename Rep, typename Period>
bool sleep_for(std::chrono::duration<Rep, Period> span, std::stop_token token) {
  stop_scope until_stopped(std::move(token));
  try {
    sleep_for(span);
    return true;
  } catch (const stop_requested& stopped) {
    if (!stopped.is(until_stopped)) throw;
    return false;
  }
}

}  // namespace vervet
