// What lies beneath fibers: jumps around a ring of contexts, without a scheduler. Figures are per
// jump; stacks are as far apart as vervet's, and each keeps its state at its top, as those do.
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include <boost/context/detail/fcontext.hpp>

#include <ucontext.h>

#include "bench/micro/clock.h"
#include "bench/micro/slots.h"
#include "bench/micro/works/work.h"
#include "runtime/context.h"
#include "runtime/fs_base.h"

namespace {

using namespace boost::context::detail;

// Room for a ring's state at the top of a slot; a multiple of 64 keeps the stack aligned.
constexpr std::size_t room = 1024;

// Contexts of a kind in a ring, the caller being the first. Kind has `next`, `leave()` and
// `start(stack, size)`.
template <typename Kind>
void ring(benchmark::State& state) {
  auto count = static_cast<std::size_t>(state.range(0));
  static_assert(sizeof(Kind) <= room);
  slots memory(count);
  Kind first;
  Kind* last = &first;
  for (std::size_t i = 1; i < count; ++i) {
    char* top = memory.top(i) - room;
    Kind* made = new (top) Kind;
    made->start(top - (slots::size - room), slots::size - room);
    last->next = made;
    made->previous = last;
    last = made;
  }
  last->next = &first;
  first.previous = last;
  for (auto _ : state) first.leave();
  state.SetItemsProcessed(state.range(0) * static_cast<int64_t>(state.iterations()));
}

// Boost.Context's own jump, and the same with a write of the thread pointer (its own value), which
// is what it takes to go to another full fiber.
template <bool WriteFsBase>
struct raw {
  fcontext_t saved = nullptr;
  raw* next = nullptr;
  raw* previous = nullptr;
  void* fs_base = vervet::fs_base::get();

  void start(char* stack, std::size_t size) { saved = make_fcontext(stack + size, size, body); }
  void leave() {
    if constexpr (WriteFsBase) vervet::fs_base::set(next->fs_base);
    transfer_t from = jump_fcontext(next->saved, next);
    previous->saved = from.fctx;
  }
  static void body(transfer_t from) {
    auto* self = static_cast<raw*>(from.data);
    self->previous->saved = from.fctx;
    for (;;) self->leave();
  }
};

// The runtime's context layer, which tells who left and runs a commit.
template <bool Full>
struct layered {
  vervet::context context;
  layered* next = nullptr;
  layered* previous = nullptr;

  layered() {
    if (Full) context.identity = vervet::fs_base::get();
  }
  void start(char* stack, std::size_t size) {
    vervet::context_make(context, stack, size, body, this);
  }
  void leave() { vervet::context_switch(context, next->context, nullptr, nullptr); }
  static void body(void* argument) {
    for (;;) static_cast<layered*>(argument)->leave();
  }
};

// POSIX's: a system call a switch, for the signal mask.
struct posix {
  ucontext_t context;
  posix* next = nullptr;
  posix* previous = nullptr;

  void start(char* stack, std::size_t size) {
    getcontext(&context);
    context.uc_stack.ss_sp = stack;
    context.uc_stack.ss_size = size;
    context.uc_link = nullptr;
    auto pointer = reinterpret_cast<uintptr_t>(this);
    makecontext(&context, reinterpret_cast<void (*)()>(body), 2,
                static_cast<unsigned>(pointer >> 32), static_cast<unsigned>(pointer));
  }
  void leave() { swapcontext(&context, &next->context); }
  static void body(unsigned high, unsigned low) {
    auto* self = reinterpret_cast<posix*>(uintptr_t{high} << 32 | low);
    for (;;) self->leave();
  }
};

template <typename Kind>
void add(const char* subject) {
  for (int64_t n : {2, 1'000, 10'000, 100'000}) work("switch", subject, ring<Kind>)->Arg(n);
}

// What nobody gets around whose fibers have stacks of their own: the first touch of a page in each.
int touch(long count) {
  slots memory(static_cast<std::size_t>(count));
  int64_t begin = cpu_time();
  for (long i = 0; i < count; ++i)
    *const_cast<volatile char*>(memory.top(static_cast<std::size_t>(i)) - 64) = 1;
  auto spent = static_cast<double>(cpu_time() - begin);
  std::printf("row spawn_cold first_touch %ld time %.1f ns\n", count,
              spent / static_cast<double>(count));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], "cold") == 0) return touch(std::atol(argv[2]));
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  add<raw<false>>("raw_jump");
  add<raw<true>>("raw_jump_fs");
  add<layered<false>>("context_light");
  add<layered<true>>("context_full");
  add<posix>("swapcontext");
  benchmark::RunSpecifiedBenchmarks();
}
