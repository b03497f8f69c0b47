// What a switch costs over Boost.Context's own jump. One round trip is two switches; figures are per switch.
#include <benchmark/benchmark.h>

#include <boost/context/detail/fcontext.hpp>

#include "runtime/context.h"
#include "runtime/fs_base.h"

namespace {

using namespace boost::context::detail;

alignas(64) char stack[64 * 1024];

void raw_body(transfer_t from) {
  for (;;) from = jump_fcontext(from.fctx, nullptr);
}

void raw_jump(benchmark::State& state) {
  fcontext_t other = make_fcontext(stack + sizeof stack, sizeof stack, raw_body);
  for (auto _ : state) other = jump_fcontext(other, nullptr).fctx;
  state.SetItemsProcessed(2 * static_cast<int64_t>(state.iterations()));
}
BENCHMARK(raw_jump);

struct pair {
  vervet::context main, other;
};

void switching_body(void* argument) {
  auto& p = *static_cast<pair*>(argument);
  for (;;) vervet::context_switch(p.other, p.main, nullptr, nullptr);
}

void light_switch(benchmark::State& state) {
  pair p;
  vervet::context_make(p.other, stack, sizeof stack, switching_body, &p);
  for (auto _ : state) vervet::context_switch(p.main, p.other, nullptr, nullptr);
  state.SetItemsProcessed(2 * static_cast<int64_t>(state.iterations()));
}
BENCHMARK(light_switch);

// The thread pointer is written at each switch, as between full fibers (with its own value here).
void full_switch(benchmark::State& state) {
  pair p;
  vervet::context_make(p.other, stack, sizeof stack, switching_body, &p);
  p.main.identity = p.other.identity = vervet::fs_base::get();
  for (auto _ : state) vervet::context_switch(p.main, p.other, nullptr, nullptr);
  state.SetItemsProcessed(2 * static_cast<int64_t>(state.iterations()));
}
BENCHMARK(full_switch);

}  // namespace

BENCHMARK_MAIN();
