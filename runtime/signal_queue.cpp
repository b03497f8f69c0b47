#include "runtime/signal_queue.h"

#include <sys/mman.h>

#include "runtime/sys.h"

namespace vervet {

struct pending_signal {
  pending_signal* next;
  siginfo_t info;
};

std::atomic<uint32_t> caught_count{0};

namespace {

// Each slot's turn tells whose it is: `turn == place` free for the writer that claims `place`,
// `turn == place + 1` filled for the reader.
struct ring_slot {
  std::atomic<uint64_t> turn;
  caught_signal signal;
};
constexpr uint32_t ring_size = 2048;
// Each carrier's trampoline may file one more before its block takes effect.
constexpr uint32_t ring_nearly_full = ring_size - 512;

ring_slot ring[ring_size];
std::atomic<uint64_t> next_write{0};
uint64_t next_read;
std::atomic<signal_set> in_ring{0};  // standard signals of the process

// Slots start zeroed: the first lap's turn is counted from zero as well.
uint64_t turn_for_writer(uint64_t place) { return place / ring_size * 2; }
uint64_t turn_for_reader(uint64_t place) { return turn_for_writer(place) + 1; }

pending_signal* spare_records;

pending_signal* take_record() {
  if (spare_records == nullptr) {
    constexpr size_t chunk = 64 * 1024;
    auto* fresh = static_cast<pending_signal*>(
        sys::map(nullptr, chunk, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS));
    if (fresh == nullptr) return nullptr;
    for (size_t i = 0; i < chunk / sizeof(pending_signal); ++i) {
      fresh[i].next = spare_records;
      spare_records = &fresh[i];
    }
  }
  pending_signal* record = spare_records;
  spare_records = record->next;
  return record;
}

void give_record(pending_signal* record) {
  record->next = spare_records;
  spare_records = record;
}

bool is_standard(int number) { return number < lowest_realtime; }

}  // namespace

bool catch_signal(const siginfo_t& info, uint32_t fiber_id) {
  signal_set bit = signal_bit(info.si_signo);
  bool coalesces = is_standard(info.si_signo) && fiber_id == 0;
  if (coalesces && (in_ring.fetch_or(bit, std::memory_order_acq_rel) & bit) != 0) return false;
  uint64_t place = next_write.load(std::memory_order_relaxed);
  for (;;) {
    ring_slot& slot = ring[place % ring_size];
    if (slot.turn.load(std::memory_order_acquire) != turn_for_writer(place)) {
      uint64_t moved = next_write.load(std::memory_order_relaxed);
      if (moved == place) return false;  // full
      place = moved;
      continue;
    }
    if (!next_write.compare_exchange_weak(place, place + 1, std::memory_order_relaxed)) continue;
    slot.signal = {info, fiber_id};
    slot.turn.store(turn_for_reader(place), std::memory_order_release);
    break;
  }
  caught_count.fetch_add(1, std::memory_order_seq_cst);
  return true;
}

bool caught_nearly_full() {
  return caught_count.load(std::memory_order_relaxed) > ring_nearly_full;
}

bool take_caught(caught_signal& out) {
  uint64_t place = next_read;
  ring_slot& slot = ring[place % ring_size];
  if (slot.turn.load(std::memory_order_acquire) != turn_for_reader(place)) return false;
  out = slot.signal;
  int number = out.info.si_signo;
  // Before it is acted upon: one that comes from now on is another one.
  if (is_standard(number) && out.fiber_id == 0)
    in_ring.fetch_and(~signal_bit(number), std::memory_order_acq_rel);
  slot.turn.store(turn_for_writer(place + ring_size), std::memory_order_release);
  next_read = place + 1;
  caught_count.fetch_sub(1, std::memory_order_relaxed);
  return true;
}

void forget_pending() {
  for (ring_slot& slot : ring)
    if (slot.turn.load(std::memory_order_relaxed) != 0)
      slot.turn.store(0, std::memory_order_relaxed);
  next_write.store(0, std::memory_order_relaxed);
  next_read = 0;
  in_ring.store(0, std::memory_order_relaxed);
  caught_count.store(0, std::memory_order_relaxed);
  spare_records = nullptr;
}

namespace pending {

bool add(signal_list& list, std::atomic<signal_set>& present, const siginfo_t& info) {
  signal_set bit = signal_bit(info.si_signo);
  signal_set before = present.load(std::memory_order_relaxed);
  if (is_standard(info.si_signo) && (before & bit) != 0) return true;
  pending_signal* record = take_record();
  if (record == nullptr) return false;
  *record = {nullptr, info};
  if (list.first == nullptr)
    list.first = record;
  else
    list.last->next = record;
  list.last = record;
  present.store(before | bit, std::memory_order_seq_cst);
  return true;
}

namespace {

int lowest_number(signal_set set) {
  constexpr signal_set synchronous = signal_bit(SIGSEGV) | signal_bit(SIGBUS) | signal_bit(SIGILL) |
                                     signal_bit(SIGTRAP) | signal_bit(SIGFPE) | signal_bit(SIGSYS);
  if ((set & synchronous) != 0) set &= synchronous;
  return __builtin_ctzl(set) + 1;
}

// Unlinks the record after `previous` (null: the first).
pending_signal* unlink_after(signal_list& list, pending_signal* previous) {
  pending_signal*& link = previous == nullptr ? list.first : previous->next;
  pending_signal* record = link;
  link = record->next;
  if (list.last == record) list.last = previous;
  return record;
}

}  // namespace

bool take(signal_list& list, std::atomic<signal_set>& present, signal_set wanted, siginfo_t& out) {
  signal_set there = present.load(std::memory_order_relaxed);
  if ((there & wanted) == 0) return false;
  int number = lowest_number(there & wanted);
  pending_signal* previous = nullptr;
  while (true) {
    pending_signal* record = previous == nullptr ? list.first : previous->next;
    if (record->info.si_signo != number) {
      previous = record;
      continue;
    }
    out = record->info;
    pending_signal* rest = record->next;
    give_record(unlink_after(list, previous));
    for (; rest != nullptr; rest = rest->next)
      if (rest->info.si_signo == number) return true;
    break;
  }
  present.store(there & ~signal_bit(number), std::memory_order_seq_cst);
  return true;
}

void drop(signal_list& list, std::atomic<signal_set>& present, signal_set unwanted) {
  siginfo_t dropped;
  while (take(list, present, unwanted, dropped)) {
  }
}

}  // namespace pending
}  // namespace vervet
