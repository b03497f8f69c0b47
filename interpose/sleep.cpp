// Sleeps.
#include "interpose/dormant.h"
#include "interpose/io.h"
#include "interpose/real.h"

using namespace vervet;
using namespace vervet::interpose;

namespace {

bool valid(const timespec& t) {
  return t.tv_sec >= 0 && t.tv_nsec >= 0 && t.tv_nsec < 1'000'000'000;
}

// Sleeps for `t`. 0 or -EINTR; then `left`, if given, is what was left of it.
long sleep_for(const timespec& t, timespec* left) {
  deadline until = after(nanoseconds_of(t));
  long result = io::sleep(until);
  if (result == 0 || left == nullptr) return result;
  int64_t rest = until - now();
  *left = timespec_of(rest > 0 ? rest : 0);
  return result;
}

long sleep_until(clockid_t clock, const timespec& t) {
  for (;;) {
    long result = io::sleep(deadline_at(clock, t));
    // The clock may have been set back meanwhile.
    if (result != 0 || clock == CLOCK_MONOTONIC) return result;
    if (clock_nanoseconds(clock) >= nanoseconds_of(t)) return 0;
  }
}

// The others are alarms, or clocks of processor time, which only the kernel can wait for.
bool can_wait_for(clockid_t clock) {
  return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME ||
         clock == CLOCK_TAI;
}

}  // namespace

EXPORT
int nanosleep(const struct timespec* duration, struct timespec* left) {
  if (!on_fiber() || duration == nullptr || !valid(*duration))
    return real().nanosleep(duration, left);
  runtime_scope scope;
  return static_cast<int>(result_of(sleep_for(*duration, left)));
}

EXPORT
int clock_nanosleep(clockid_t clock, int flags, const struct timespec* time,
                    struct timespec* left) {
  if (!on_fiber() || !can_wait_for(clock) || time == nullptr || !valid(*time))
    return real().clock_nanosleep(clock, flags, time, left);
  runtime_scope scope;
  bool absolute = (flags & TIMER_ABSTIME) != 0;
  return static_cast<int>(-(absolute ? sleep_until(clock, *time) : sleep_for(*time, left)));
}

EXPORT
unsigned sleep(unsigned seconds) {
  if (!on_fiber()) return real().sleep(seconds);
  runtime_scope scope;
  timespec left{};
  if (result_of(sleep_for({static_cast<time_t>(seconds), 0}, &left)) == 0) return 0;
  return static_cast<unsigned>(left.tv_sec);
}

EXPORT
int usleep(useconds_t microseconds) {
  if (!on_fiber()) return real().usleep(microseconds);
  runtime_scope scope;
  int64_t nanoseconds = static_cast<int64_t>(microseconds) * 1000;
  return static_cast<int>(result_of(sleep_for(timespec_of(nanoseconds), nullptr)));
}
