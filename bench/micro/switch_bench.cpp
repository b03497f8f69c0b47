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

// The context that runs. Known without a look at the stack that was just entered, as schedulers
// know it: the misses of one jump do not wait for those of the one before.
template <typename Kind>
Kind* running;

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
    last = last->next = made;
  }
  last->next = &first;
  running<Kind> = &first;
  for (auto _ : state) Kind::leave();
  state.SetItemsProcessed(state.range(0) * static_cast<int64_t>(state.iterations()));
}

// Boost.Context's own jump, and the same with a write of the thread pointer (its own value), which
// is what it takes to go to another full fiber.
template <bool WriteFsBase>
struct raw {
  fcontext_t saved = nullptr;
  raw* next = nullptr;
  void* fs_base = vervet::fs_base::get();

  void start(char* stack, std::size_t size) { saved = make_fcontext(stack + size, size, body); }
  static void leave() {
    raw* self = running<raw>;
    raw* to = running<raw> = self->next;
    if constexpr (WriteFsBase) vervet::fs_base::set(to->fs_base);
    arrive(jump_fcontext(to->saved, self));
  }
  static void arrive(transfer_t from) { static_cast<raw*>(from.data)->saved = from.fctx; }
  static void body(transfer_t from) {
    arrive(from);
    for (;;) leave();
  }
};

// The runtime's context layer, which tells who left and runs a commit.
template <bool Full>
struct layered {
  vervet::context context;
  layered* next = nullptr;

  layered() {
    if (Full) context.identity = vervet::fs_base::get();
  }
  void start(char* stack, std::size_t size) {
    vervet::context_make(context, stack, size, body, nullptr);
  }
  static void leave() {
    layered* self = running<layered>;
    layered* to = running<layered> = self->next;
    vervet::context_switch(self->context, to->context, nullptr, nullptr);
  }
  static void body(void*) {
    for (;;) leave();
  }
};

// POSIX's: a system call a switch, for the signal mask.
struct posix {
  ucontext_t context;
  posix* next = nullptr;

  void start(char* stack, std::size_t size) {
    getcontext(&context);
    context.uc_stack.ss_sp = stack;
    context.uc_stack.ss_size = size;
    context.uc_link = nullptr;
    makecontext(&context, body, 0);
  }
  static void leave() {
    posix* self = running<posix>;
    posix* to = running<posix> = self->next;
    swapcontext(&self->context, &to->context);
  }
  static void body() {
    for (;;) leave();
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
