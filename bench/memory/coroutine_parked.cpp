// parked.cpp for coroutines: a frame each, which waits for one event.
#include VERVET_BENCH_FLOWS

#include <cstdint>
#include <vector>

#include "bench/memory/resident.h"

namespace {

using task = coroutines::task;

struct meeting {
  coroutines::event all_here;
  int64_t waiting = 0;
  int64_t awake = 0;
};

task attend(meeting& m) {
  ++m.waiting;
  co_await m.all_here;
  ++m.awake;
}

task hold(std::vector<coroutines::handle>& made, bool print) {
  meeting m;
  resident before;
  auto count = static_cast<int64_t>(made.size());
  for (auto& one : made) one = coroutines::start(attend(m));
  while (m.waiting != count) co_await coroutines::yield();
  if (print) print_growth(coroutines::subject, count, before, resident());
  m.all_here.set();
  for (auto& one : made) co_await coroutines::join(one);
  if (m.awake != count) fail("not all have woken");
}

}  // namespace

int main(int argc, char** argv) {
  long count = argc == 2 ? std::atol(argv[1]) : 0;
  if (count <= 0) fail("how many?");
  std::vector<coroutines::handle> one(1), all(static_cast<std::size_t>(count));
  coroutines::run(hold(one, false));
  coroutines::run(hold(all, true));
}
