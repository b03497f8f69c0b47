#include "runtime/context.h"

#include "runtime/fs_base.h"

namespace vervet {
namespace {

using boost::context::detail::jump_fcontext;
using boost::context::detail::make_fcontext;
using boost::context::detail::transfer_t;

// What the leaving side hands over; lies on its stack, which stays put until commit() publishes it.
struct handoff {
  context* from;
  commit_function commit;
  void* argument;
};

struct first_entry {
  void (*body)(void*);
  void* argument;
};

inline void arrive(transfer_t transfer) {
  handoff hand = *static_cast<handoff*>(transfer.data);
  hand.from->saved = transfer.fctx;
  if (hand.commit != nullptr) hand.commit(hand.argument);
}

// TSan must not push a frame here: it would never be popped.
__attribute__((no_sanitize("thread"))) void enter(transfer_t transfer) {
  context_is_outermost();
  // The entry record lies where the creator put it: on the top of this very stack.
  auto* entry = static_cast<first_entry*>(transfer.data);
  first_entry copy = *entry;
  transfer = jump_fcontext(transfer.fctx, nullptr);
  arrive(transfer);
  copy.body(copy.argument);
  __builtin_trap();
}

}  // namespace

void context_make(context& fresh, void* stack, size_t size, void (*body)(void*), void* argument) {
  char* top = static_cast<char*>(stack) + size;
  first_entry entry{body, argument};
  // Enter once, so that the first real switch finds an ordinary saved context.
  fresh.saved = jump_fcontext(make_fcontext(top, size, enter), &entry).fctx;
}

// Not inlined: the compiler must not carry a TLS address across the change of thread pointer.
[[gnu::noinline]] void context_switch(context& from, context& to, commit_function commit,
                                      void* argument) {
  handoff hand{&from, commit, argument};
  if (to.identity != nullptr) fs_base::set(to.identity);
  arrive(context_raw_jump(to.saved, &hand));
}

}  // namespace vervet
