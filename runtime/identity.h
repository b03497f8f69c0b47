// Thread identities: the ELF TLS and struct pthread that make a full fiber a thread to libc.
//
// An identity is donated: libc's own pthread_create lays it out on a stack of ours and starts a kernel
// thread on it, which saves its context as the fiber's first one and leaves the kernel. What the
// kernel would still write into the identity when that thread ends is pointed elsewhere first.
// An identity stays linked in libc's list of threads until it is retired; it is never unmapped before.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "runtime/context.h"

namespace vervet {

struct fiber;

namespace identity {

struct request {
  char* stack;             // lowest usable address; the identity is laid out at its top
  size_t size;
  fiber* owner;            // becomes self_state.current there; null for a carrier's identity
  void (*body)(void*);     // what the identity runs when first switched to; it never returns
  void* argument;
};

// Makes an identity; `flow` becomes its first context. Returns 0 or an error number. Any thread of ours;
// one donation at a time, so that at most one donor is alive.
int donate(const request& r, context& flow);

// Whether there was a donor within the last tenth of a second.
bool donated_lately();

// Takes an identity out of libc's list for good. The fiber must have ended.
void retire(void* identity);

// Learns where libc keeps a thread's id and robust mutexes, from the calling kernel thread, which must
// be on its own identity. Returns 0 or an error number.
int learn_layout();

// Takes the calling (main) thread's kernel registrations
// (rseq, robust list) off its identity, which may run elsewhere from now on.
// REQUIRES: learn_layout().
void detach_main();

// The id that libc's locks and pthread functions see as the owner.
void set_id(void* identity, uint32_t id);
uint32_t id_of(void* identity);
uint32_t fresh_id();
// A forked child draws a new sequence.
void redraw_ids();
// In a forked child: no donation is under way, and the kernel must not write into the area that the carrier
// identity `left` (null: none) had registered: libc may use its memory again.
void forget_all(void* left);

// On the identity itself, when its thread has ended: dead owner's robust mutexes are marked and woken.
void hand_over_robust_mutexes(uint32_t id);

// On the identity itself, before it serves another thread: TLS initial images, errno, locale, resolver.
void reset(const char* stack_low, const char* stack_top);

}  // namespace identity
}  // namespace vervet
