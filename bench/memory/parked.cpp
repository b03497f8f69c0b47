// `<subject>_parked N`: what N flows occupy that wait for one event, which comes at last: all of
// them must wake.
#include VERVET_BENCH_FLOWS

#include <cstdint>
#include <vector>

#include "bench/memory/resident.h"

namespace {

long count = 0;

struct meeting {
  flows::event all_here;
  int64_t waiting = 0;
  int64_t awake = 0;

  static void* attend(void* argument) {
    auto& self = *static_cast<meeting*>(argument);
    __atomic_fetch_add(&self.waiting, 1, __ATOMIC_RELAXED);
    self.all_here.wait();
    __atomic_fetch_add(&self.awake, 1, __ATOMIC_RELAXED);
    return nullptr;
  }
};

template <typename Flows>
typename Flows::handle spawn(meeting& m) {
  if constexpr (requires { Flows::spawn_parked(nullptr, nullptr); })
    return Flows::spawn_parked(meeting::attend, &m);
  else
    return Flows::spawn(meeting::attend, &m);
}

// Returns how many have woken. The growth is printed unless the subject is only warming up.
int64_t hold(std::vector<flows::handle>& made, bool print) {
  meeting m;
  resident before;
  for (auto& one : made) one = spawn<flows>(m);
  while (__atomic_load_n(&m.waiting, __ATOMIC_RELAXED) != static_cast<int64_t>(made.size()))
    flows::yield();
  flows::yield();  // the last one waits
  if (print) print_growth(flows::subject, count, before, resident());
  m.all_here.set();
  for (auto& one : made) flows::join(one);
  return m.awake;
}

int measure() {
  std::vector<flows::handle> one(1), all(static_cast<std::size_t>(count));
  if (hold(one, false) != 1 || hold(all, true) != count) fail("not all have woken");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  count = argc == 2 ? std::atol(argv[1]) : 0;
  if (count <= 0) fail("how many?");
  return flows::run(measure);
}
