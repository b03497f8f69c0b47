// The limit: the least that fibers need. Boost.Context's jump, an intrusive run queue, a pool of
// stacks with the control block at the top. No errno, no exceptions' state, no guard pages, no
// deadlines, no other threads, no descriptors.
#pragma once

#include <cstddef>
#include <memory>
#include <new>

#include <boost/context/detail/fcontext.hpp>

#include "bench/micro/slots.h"

namespace bare {

namespace context = boost::context::detail;

struct fiber {
  context::fcontext_t saved = nullptr;
  fiber* next = nullptr;  // in the run queue, or in the pool
  void* (*entry)(void*) = nullptr;
  void* argument = nullptr;
  fiber* joiner = nullptr;
  bool ended = false;
};

struct hub {
  fiber main;
  fiber* current = &main;
  fiber* first = nullptr;
  fiber** last = &first;
  fiber* pool = nullptr;
};
inline hub here;

inline void ready(fiber* f) {
  f->next = nullptr;
  *here.last = f;
  here.last = &f->next;
}

// The running fiber leaves; whoever has made it ready, or will, holds it.
inline void park() {
  fiber* next = here.first;
  if (next == nullptr) fail("all fibers are parked");
  here.first = next->next;
  if (here.first == nullptr) here.last = &here.first;
  fiber* self = here.current;
  here.current = next;
  context::transfer_t from = context::jump_fcontext(next->saved, self);
  static_cast<fiber*>(from.data)->saved = from.fctx;
}

inline void yield() {
  if (here.first == nullptr) return;
  ready(here.current);
  park();
}

inline void enter(context::transfer_t from) {
  static_cast<fiber*>(from.data)->saved = from.fctx;
  fiber* self = here.current;
  self->entry(self->argument);
  self->ended = true;
  if (self->joiner != nullptr) ready(self->joiner);
  park();
}

// More slots for the pool, none of them touched yet.
struct slab {
  static constexpr std::size_t count = 1024;
  slots memory{count};
  std::size_t used = 0;
  std::unique_ptr<slab> older;
};
inline std::unique_ptr<slab> newest;

inline fiber* take() {
  if (fiber* f = here.pool) {
    here.pool = f->next;
    return new (f) fiber;
  }
  if (!newest || newest->used == slab::count) {
    auto fresh = std::make_unique<slab>();
    fresh->older = std::move(newest);
    newest = std::move(fresh);
  }
  return new (newest->memory.top(newest->used++) - sizeof(fiber)) fiber;
}

inline fiber* spawn(void* (*entry)(void*), void* argument) {
  fiber* f = take();
  f->entry = entry;
  f->argument = argument;
  f->saved = context::make_fcontext(f, slots::size - sizeof(fiber), enter);
  ready(f);
  return f;
}

inline void join(fiber* f) {
  if (!f->ended) {
    f->joiner = here.current;
    park();
  }
  f->next = here.pool;
  here.pool = f;
}

}  // namespace bare
