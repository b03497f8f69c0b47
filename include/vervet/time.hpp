// Time: deadlines, and letting others run: yield, sleep_for, sleep_until.
#pragma once

#include <chrono>
#include <cstdint>
#include <type_traits>

#include <vervet/abi.h>
#include <vervet/error.hpp>

namespace vervet {
namespace detail {

// Rounded up, so that nobody wakes too early; VERVET_NEVER where the clock ends.
template <typename Rep, typename Period>
constexpr std::int64_t nanoseconds_of(std::chrono::duration<Rep, Period> span) {
  using seconds = std::chrono::duration<double>;
  if (span <= span.zero()) return 0;
  if (seconds(span) >= seconds(std::chrono::nanoseconds::max())) return VERVET_NEVER;
  return std::chrono::ceil<std::chrono::nanoseconds>(span).count();
}

// The same from now to `point`, which may be one that nanoseconds cannot tell: sys_seconds::max().
template <typename Clock, typename Duration>
std::int64_t nanoseconds_until(std::chrono::time_point<Clock, Duration> point) {
  using seconds = std::chrono::duration<double>;
  constexpr seconds most(std::chrono::nanoseconds::max());
  const auto now = Clock::now();
  seconds at(point.time_since_epoch()), left = at - seconds(now.time_since_epoch());
  if (at >= most || left >= most) return VERVET_NEVER;
  return left < seconds(-1) ? 0 : nanoseconds_of(point - now);
}

}  // namespace detail

// When a call gives up: the last parameter of everything that waits. Any std::chrono duration (from
// now on; zero and less: only look) or time point converts to it; the default is never.
//
//     done.wait(100ms);   fibers.join(deadline);   queue.get(std::chrono::steady_clock::now() +
//     1s);
//
// A point in time, so that several calls may share one: `deadline all = 5s;` starts counting here.
class deadline {
 public:
  constexpr deadline() = default;

  // So far from now; zero and less: it has passed.
  template <typename Rep, typename Period>
  deadline(std::chrono::duration<Rep, Period> from_now)  // NOLINT: implicit
      : at_(vervet_after(detail::nanoseconds_of(from_now))) {}

  // When that clock shows `point`, as it goes now: setting the clock later does not move it.
  template <typename Clock, typename Duration>
  deadline(std::chrono::time_point<Clock, Duration> point) {  // NOLINT: implicit
    if constexpr (std::is_same_v<Clock, std::chrono::steady_clock>)
      at_ = detail::nanoseconds_of(point.time_since_epoch());  // the monotonic clock itself
    else
      at_ = vervet_after(detail::nanoseconds_until(point));
  }

  // As the default.
  static constexpr deadline never() { return {}; }

  // Nanoseconds on CLOCK_MONOTONIC, as the C interface has it; VERVET_NEVER.
  constexpr std::int64_t monotonic() const noexcept { return at_; }

  friend constexpr auto operator<=>(const deadline&, const deadline&) = default;

 private:
  std::int64_t at_ = VERVET_NEVER;
};

// yield() lets every other runnable fiber run once, and due timers fire, before the caller goes on
// (gevent's sleep(0)). Returns at once if there is none. Any thread. Throws cut_short if the caller
// was killed or its time is up.
inline void yield() {
  if (int error = vervet_yield()) detail::throw_wait_error(error);
}

// sleep_for() parks the calling fiber for `span` at least, any std::chrono unit; an OS thread
// without fibers sleeps itself. Zero and less is yield(). A signal handler does not cut it short.
// Throws cut_short.
template <typename Rep, typename Period>
void sleep_for(std::chrono::duration<Rep, Period> span) {
  if (int error = vervet_sleep_for(detail::nanoseconds_of(span))) detail::throw_wait_error(error);
}

// sleep_until() parks the calling fiber until `Clock` shows `point`. If that has passed: yield().
// A clock that is set backwards meanwhile is waited for; one that is set forwards may be noticed
// late. Throws cut_short.
template <typename Clock, typename Duration>
void sleep_until(std::chrono::time_point<Clock, Duration> point) {
  do {
    int error = vervet_sleep_until(deadline(point).monotonic());
    if (error != 0) detail::throw_wait_error(error);
  } while (detail::nanoseconds_until(point) != 0);
}

}  // namespace vervet
