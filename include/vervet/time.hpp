// Letting others run: yield, sleep_for, sleep_until.
#pragma once

#include <chrono>
#include <cstdint>
#include <type_traits>

#include <vervet/vervet.h>

namespace vervet {
namespace detail {

// Rounded up, so that nobody wakes too early; VERVET_NEVER where the clock ends.
template <typename Rep, typename Period>
std::int64_t nanoseconds_of(std::chrono::duration<Rep, Period> span) {
  using seconds = std::chrono::duration<double>;
  if (span <= span.zero()) return 0;
  if (seconds(span) >= seconds(std::chrono::nanoseconds::max())) return VERVET_NEVER;
  return std::chrono::ceil<std::chrono::nanoseconds>(span).count();
}

template <typename Rep, typename Period>
std::int64_t deadline_after(std::chrono::duration<Rep, Period> timeout) {
  return vervet_after(nanoseconds_of(timeout));
}

template <typename Clock, typename Duration>
std::int64_t deadline_of(std::chrono::time_point<Clock, Duration> point) {
  if constexpr (std::is_same_v<Clock, std::chrono::steady_clock>)
    return nanoseconds_of(point.time_since_epoch());  // the monotonic clock itself
  else
    return deadline_after(point - Clock::now());
}

}  // namespace detail

// yield() lets every other runnable fiber run once, and due timers fire, before the caller goes on
// (gevent's sleep(0)). Returns at once if there is none. Any thread; never throws.
inline void yield() noexcept { vervet_yield(); }

// sleep_for() parks the calling fiber for `span` at least, any std::chrono unit; an OS thread
// without fibers sleeps itself. Zero and less is yield(). A signal handler does not cut it short.
template <typename Rep, typename Period>
void sleep_for(std::chrono::duration<Rep, Period> span) noexcept {
  vervet_sleep_for(detail::nanoseconds_of(span));
}

// sleep_until() parks the calling fiber until `Clock` shows `point`. If that has passed: yield().
// A clock that is set backwards meanwhile is waited for; one that is set forwards may be noticed
// late.
template <typename Clock, typename Duration>
void sleep_until(std::chrono::time_point<Clock, Duration> point) {
  do {
    vervet_sleep_until(detail::deadline_of(point));
  } while (Clock::now() < point);
}

}  // namespace vervet
