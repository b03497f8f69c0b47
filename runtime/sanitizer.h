// Tells ASan, TSan and Valgrind of stacks and of switches between them. Nothing without them.
//
// TSan is told of light fibers only: a full fiber's thread pointer brings TSan's state along.
#pragma once

#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define VERVET_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define VERVET_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define VERVET_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define VERVET_TSAN 1
#endif
#endif
#if __has_include(<valgrind/valgrind.h>)
#define VERVET_VALGRIND 1
#endif

#ifdef VERVET_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef VERVET_TSAN
#include <sanitizer/tsan_interface.h>
#endif
#ifdef VERVET_VALGRIND
#include <valgrind/valgrind.h>
#endif

namespace vervet::sanitizer {

// Asked once, at load time.
extern const bool under_valgrind;

#if defined(VERVET_ASAN) || defined(VERVET_TSAN)
inline constexpr bool told_of_switches = true;
#else
inline constexpr bool told_of_switches = false;
#endif

// One flow of control as the tools know it. The bounds of a stack that is not ours (a thread's own)
// are learned when it is left for the first time.
struct flow {
  const void* bottom = nullptr;
  size_t size = 0;
  void* tsan_fiber = nullptr;
  unsigned valgrind_id = 0;
};

// A fresh flow is about to use the stack [low, low + size), which may be a recycled one.
inline void stack_made([[maybe_unused]] flow& f, [[maybe_unused]] void* low,
                       [[maybe_unused]] size_t size) {
  if constexpr (told_of_switches) {
    f.bottom = low;
    f.size = size;
  }
#ifdef VERVET_ASAN
  // Frames that were left for ever have not cleaned up behind them.
  __asan_unpoison_memory_region(low, size);
#endif
#ifdef VERVET_TSAN
  f.tsan_fiber = __tsan_create_fiber(0);
#endif
#ifdef VERVET_VALGRIND
  if (under_valgrind) [[unlikely]]
    f.valgrind_id = VALGRIND_STACK_REGISTER(low, static_cast<char*>(low) + size);
#endif
}

// The flow has been left for ever.
inline void stack_gone([[maybe_unused]] flow& f) {
#ifdef VERVET_TSAN
  __tsan_destroy_fiber(f.tsan_fiber);
#endif
#ifdef VERVET_VALGRIND
  if (under_valgrind) [[unlikely]] VALGRIND_STACK_DEREGISTER(f.valgrind_id);
#endif
}

// Just before a switch between light flows. Returns what arrived() wants when `from` runs again;
// `for_ever`: it will not.
inline void* leaving([[maybe_unused]] flow& from, [[maybe_unused]] flow& to,
                     [[maybe_unused]] bool for_ever) {
  void* fake_stack = nullptr;
#ifdef VERVET_ASAN
  __sanitizer_start_switch_fiber(for_ever ? nullptr : &fake_stack, to.bottom, to.size);
#endif
#ifdef VERVET_TSAN
  from.tsan_fiber = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(to.tsan_fiber, 0);
#endif
  return fake_stack;
}

// Just after it, on the stack that was arrived at; `left` is where the switch came from. A fresh
// flow passes null for `fake_stack`.
inline void arrived([[maybe_unused]] void* fake_stack, [[maybe_unused]] flow& left) {
#ifdef VERVET_ASAN
  __sanitizer_finish_switch_fiber(fake_stack, &left.bottom, &left.size);
#endif
}

}  // namespace vervet::sanitizer
