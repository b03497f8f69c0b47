// What --stats prints when the process exits.
#include "interpose/dormant.h"
#include "interpose/startup.h"

namespace vervet::interpose {
namespace {

const char* const park_names[] = {"readable", "writable", "poll",  "mutex", "condition", "rwlock",
                                  "semaphore", "barrier", "once", "futex", "join",      "sleep",
                                  "signal",   "process", "offload", "other"};
static_assert(sizeof park_names / sizeof *park_names == static_cast<unsigned>(wait_for::count_));

}  // namespace

void print_statistics() {
  if (dormant()) {
    say("stats: no thread was created; the runtime never woke");
    return;
  }
  counters c = scheduler::totals();
  say("stats: threads created %lu, peak fibers %u, switches %lu, kernel threads %u, passthroughs %lu",
      static_cast<unsigned long>(thread::created()), thread::alive_most(),
      static_cast<unsigned long>(c.switches), scheduler::kernel_threads(),
      static_cast<unsigned long>(c.passthroughs));
  say("stats: hand-overs %lu, preemptions %lu", static_cast<unsigned long>(monitor::hand_overs()),
      static_cast<unsigned long>(monitor::preemptions()));
  for (unsigned i = 0; i < static_cast<unsigned>(wait_for::count_); ++i)
    if (c.parks[i] != 0)
      say("stats: parks %s %lu", park_names[i], static_cast<unsigned long>(c.parks[i]));
}

}  // namespace vervet::interpose
