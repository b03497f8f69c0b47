#include "interpose/shared_memory.h"

#include <fcntl.h>

#include "runtime/door.h"

namespace vervet::interpose {
namespace {

struct range {
  uintptr_t low = 0;
  uintptr_t high = 0;
  deadline fresh_until = 0;  // the mapping may be replaced by another one at any time
};

constexpr int64_t freshness = 100'000'000;

// The private mappings that were asked for lately. A hint: whoever finds it locked does without, so
// that a child that was forked in that moment is slower and not stuck.
class private_ranges {
 public:
  bool contains(uintptr_t address) {
    if (!mutex_.try_acquire()) return false;
    bool found = false;
    for (const range& r : ranges_)
      if (address >= r.low && address < r.high) found = now() < r.fresh_until;
    mutex_.release();
    return found;
  }
  void add(uintptr_t low, uintptr_t high) {
    if (!mutex_.try_acquire()) return;
    ranges_[place_of(low)] = {low, high, after(freshness)};
    mutex_.release();
  }

 private:
  // The range's own place, or the next one in turn.
  unsigned place_of(uintptr_t low) {
    for (unsigned i = 0; i < capacity; ++i)
      if (ranges_[i].low == low) return i;
    next_ = (next_ + 1) % capacity;
    return next_;
  }

  static constexpr unsigned capacity = 16;
  lock mutex_;
  range ranges_[capacity];
  unsigned next_ = 0;
};
private_ranges known_private;

// Reads /proc/self/maps byte by byte, without libc's stdio.
class maps_reader {
 public:
  maps_reader()
      : fd_(sys::call(SYS_openat, AT_FDCWD, sys::word("/proc/self/maps"), O_RDONLY | O_CLOEXEC)) {}
  ~maps_reader() {
    if (is_open()) sys::close(static_cast<int>(fd_));
  }
  maps_reader(const maps_reader&) = delete;
  maps_reader& operator=(const maps_reader&) = delete;
  bool is_open() const { return fd_ >= 0; }

  // The next byte; -1 at the end.
  int next() {
    if (place_ == filled_) {
      filled_ = sys::read(static_cast<int>(fd_), buffer_, sizeof buffer_);
      place_ = 0;
      if (filled_ <= 0) return filled_ = -1;
    }
    return buffer_[place_++];
  }

  // A hexadecimal number and the byte that ends it. False at the end of the file.
  bool number(uintptr_t& value) {
    value = 0;
    for (;;) {
      int byte = next();
      if (byte < 0) return false;
      bool digit = byte >= '0' && byte <= '9';
      if (!digit && !(byte >= 'a' && byte <= 'f')) return true;
      value = value * 16 + static_cast<uintptr_t>(digit ? byte - '0' : byte - 'a' + 10);
    }
  }

  void skip_line() {
    for (int byte = next(); byte >= 0 && byte != '\n';) byte = next();
  }

 private:
  long fd_;
  long place_ = 0;
  long filled_ = 0;
  unsigned char buffer_[2048];
};

// Looks the mapping up; remembers it if it is private.
bool ask_kernel(uintptr_t address) {
  maps_reader maps;
  uintptr_t low;
  uintptr_t high;
  while (maps.is_open() && maps.number(low) && maps.number(high)) {
    if (address < low || address >= high) {
      maps.skip_line();
      continue;
    }
    for (int flag = 0; flag < 3; ++flag) maps.next();  // r, w, x
    if (maps.next() != 'p') return true;
    known_private.add(low, high);
    return false;
  }
  return true;
}

}  // namespace

bool in_shared_mapping(const void* address) {
  auto place = reinterpret_cast<uintptr_t>(address);
  return !known_private.contains(place) && ask_kernel(place);
}

}  // namespace vervet::interpose
