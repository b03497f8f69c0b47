#include "interpose/settings.h"

#include <errno.h>
#include <string.h>

#include "interpose/libc.h"
#include "interpose/mode.h"
#include "runtime/door.h"

namespace vervet::interpose {
namespace {

constexpr size_t smallest_stack = 16 * 1024;
constexpr int64_t shortest_tick = 100'000;
constexpr int64_t longest_tick = 10'000'000'000;
constexpr size_t largest_stack = 1024ul * 1024 * 1024;

// A decimal number with an optional K, M or G; false if `text` is anything else.
bool parse_size(const char* text, size_t& result) {
  if (*text < '0' || *text > '9') return false;
  char* end;
  int kept = errno;
  errno = 0;
  unsigned long long number = strtoull(text, &end, 10);
  bool overflow = errno != 0;
  errno = kept;
  if (overflow || number > largest_stack) return false;
  unsigned shift = 0;
  if (*end != '\0') {
    const char* units = "KMG";
    const char* unit = strchr(units, *end & ~0x20);
    if (unit == nullptr || end[1] != '\0') return false;
    shift = 10 * static_cast<unsigned>(unit - units + 1);
  }
  result = static_cast<size_t>(number) << shift;
  return true;
}

settings read_environment() {
  settings s;
  if (present_mode() == mode::linked) {
    s.native_threads = true;
    return s;
  }
  unsigned cpus = usable_cpus();
  s.workers = cpus < scheduler::max_workers ? cpus : scheduler::max_workers;
  size_t number = 0;
  if (const char* text = getenv("VERVET_WORKERS")) {
    if (!parse_size(text, number) || number < 1 || number > scheduler::max_workers)
      refuse_setting("VERVET_WORKERS", text, "expected a number from 1 to 256");
    s.workers = static_cast<unsigned>(number);
  }
  if (const char* text = getenv("VERVET_STACK_SIZE")) {
    if (!parse_size(text, number) || number < smallest_stack || number > largest_stack)
      refuse_setting("VERVET_STACK_SIZE", text, "expected a size from 16K to 1G");
    s.stack_size = number;
  }
  if (const char* text = getenv("VERVET_THREADS")) {
    s.native_threads = strcmp(text, "native") == 0;
    if (!s.native_threads && strcmp(text, "fiber") != 0)
      refuse_setting("VERVET_THREADS", text, "expected fiber or native");
  }
  if (const char* text = getenv("VERVET_STATS")) {
    s.stats = strcmp(text, "1") == 0;
    if (!s.stats && strcmp(text, "0") != 0 && *text != '\0')
      refuse_setting("VERVET_STATS", text, "expected 0 or 1");
  }
  if (const char* text = getenv("VERVET_TICK")) {
    if (!parse_duration(text, longest_tick, s.tick) || s.tick < shortest_tick)
      refuse_setting("VERVET_TICK", text, "expected a time from 100us to 10s, such as 10ms");
  }
  if (const char* text = getenv("VERVET_PERTURB")) {
    if (!parse_size(text, number))
      refuse_setting("VERVET_PERTURB", text, "expected a seed from 0 to 1G");
    perturb::start(number);
  }
  watchdog::read_environment();
  return s;
}

}  // namespace

const settings& get_settings() {
  static settings current;
  static bool read;
  if (!read) {
    current = read_environment();
    read = true;
  }
  return current;
}

}  // namespace vervet::interpose
