// What each flow carries with it: its locals, and how to find what it was killed with. Not for
// direct use.
//
// The runtime has one pointer for it a flow (vervet_local_slot()). A fiber of spawn() keeps the
// block in what it shares with its handles; any other flow (an OS thread, run()'s function, a fiber
// that C code spawned) gets one at the first use, which its thread owns.
#pragma once

#include <exception>
#include <memory>
#include <utility>

#include <vervet/abi.h>

namespace vervet::detail {

struct flow_locals {
  // For whoever defines take_kill.
  void* owner = nullptr;
  // The exception that kill() left for this flow; null: fiber_exit.
  std::exception_ptr (*take_kill)(void* owner) = nullptr;

  // For local.hpp: what it keeps here, and who destroys that when the flow ends.
  void* locals = nullptr;
  void (*drop)(void* locals) = nullptr;

  std::unique_ptr<flow_locals> next;  // of the same thread

  flow_locals() = default;
  flow_locals(const flow_locals&) = delete;
  flow_locals& operator=(const flow_locals&) = delete;
  ~flow_locals() { drop_locals(); }

  // In the flow whose they are: what is destroyed may use locals again, hence the loop.
  void drop_locals() {
    while (void* old = std::exchange(locals, nullptr)) drop(old);
  }
};

// The blocks that a thread has made for flows that have none of their own.
struct thread_blocks {
  std::unique_ptr<flow_locals> first;

  thread_blocks() = default;
  thread_blocks(const thread_blocks&) = delete;
  thread_blocks& operator=(const thread_blocks&) = delete;
  // Only the flow that ends the thread is left, and its slot must not outlive its block.
  ~thread_blocks() {
    while (first) {
      first->drop_locals();
      std::unique_ptr<flow_locals> next = std::move(first->next);
      if (*vervet_local_slot() == first.get()) *vervet_local_slot() = nullptr;
      first = std::move(next);
    }
  }
};

// The calling flow's block, if it has one. Never blocks.
inline flow_locals* flow_locals_if_any() noexcept {
  return static_cast<flow_locals*>(*vervet_local_slot());
}

// The calling flow's block. Valid while the flow runs. Throws std::bad_alloc.
inline flow_locals& flow_locals_here() {
  void** slot = vervet_local_slot();
  if (*slot == nullptr) {
    thread_local thread_blocks blocks;
    auto made = std::make_unique<flow_locals>();
    made->next = std::move(blocks.first);
    blocks.first = std::move(made);
    *slot = blocks.first.get();
  }
  return *static_cast<flow_locals*>(*slot);
}

}  // namespace vervet::detail
