// Who resumes a hub's coroutines. Not for direct use.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <new>

#include <vervet/abi.h>
#include <vervet/outcome.hpp>

namespace vervet::detail {

// What an executor runs, once for each push().
struct ready_node {
  ready_node* next = nullptr;
  void (*run)(ready_node&) noexcept = nullptr;
};

class coroutine_root;

// One a hub. It runs nodes in fibers that the hub calls back in: one that waits delays no other.
// Lives as long as its thread, whoever retains it, and what was posted.
class executor {
 public:
  executor(const executor&) = delete;
  executor& operator=(const executor&) = delete;

  // The calling thread's. Throws std::bad_alloc.
  static executor& here() {
    struct owner {
      executor* own = nullptr;
      owner() = default;
      owner(const owner&) = delete;
      owner& operator=(const owner&) = delete;
      ~owner() {
        if (own == nullptr) return;
        if (own->at_end_ != nullptr) own->at_end_(own->roots_);
        own->release();
      }
    };
    static thread_local owner of_thread;
    // A forked child has another hub: its parent's tasks, as its fibers, are forgotten.
    if (of_thread.own == nullptr || !of_thread.own->is_of(vervet_hub_here()))
      of_thread.own = new executor;
    return *of_thread.own;
  }

  void retain() noexcept { shares_.fetch_add(1, std::memory_order_relaxed); }
  void release() noexcept {
    if (shares_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  // Has node.run(node) called on the hub's thread: first in, first out. Any thread; takes none of
  // the primitives' locks. No effect if the hub's thread has ended. The node may be gone on return.
  void push(ready_node& node) noexcept {
    retain();  // for the callback; and the node may have been all that kept this alive
    ready_node* before = arrived_.load(std::memory_order_relaxed);
    do {
      node.next = before;
    } while (!arrived_.compare_exchange_weak(before, &node, std::memory_order_acq_rel,
                                             std::memory_order_relaxed));
    // The first one posts, and only that post's callback takes them out: there is never a second.
    if (before != nullptr || vervet_hub_post(hub_, &arrival_) != 0) release();
  }

  // On the hub's thread: the roots (coroutine.hpp) that have not ended, and who is told of them
  // when the thread ends.
  coroutine_root*& roots() noexcept { return roots_; }
  void at_end(void (*f)(coroutine_root*)) noexcept { at_end_ = f; }

 private:
  struct callback_of : vervet_watcher {
    executor* of;
    callback_of(executor* e, void (*f)(vervet_watcher*, unsigned)) : vervet_watcher{}, of(e) {
      callback = f;
    }
  };

  executor() : hub_(vervet_hub_here()), arrival_(this, take_arrived), successor_(this, go_on) {
    register_exceptions();
    if (hub_ == nullptr) throw std::bad_alloc();
  }
  ~executor() { vervet_hub_release(hub_); }

  // Gives up a share of the hub's.
  bool is_of(vervet_hub* hub) const noexcept {
    if (hub != nullptr) vervet_hub_release(hub);
    return hub == hub_;
  }

  static void take_arrived(vervet_watcher* raw, unsigned) {
    executor& self = *static_cast<callback_of*>(raw)->of;
    // They stand latest first.
    ready_node* latest = self.arrived_.exchange(nullptr, std::memory_order_acquire);
    ready_node* earliest = nullptr;
    ready_node* last = latest;
    while (latest != nullptr) {
      ready_node* before = latest->next;
      latest->next = earliest;
      earliest = latest;
      latest = before;
    }
    (self.last_ != nullptr ? self.last_->next : self.first_) = earliest;
    self.last_ = last;
    self.run_ready();
    self.release();
  }

  static void go_on(vervet_watcher* raw, unsigned) {
    executor& self = *static_cast<callback_of*>(raw)->of;
    self.successor_posted_ = false;
    self.run_ready();
    self.release();
  }

  // What becomes ready meanwhile arrives in a later callback: the hub's fibers get their turn.
  void run_ready() noexcept {
    while (ready_node* node = first_) {
      first_ = node->next;
      if (first_ == nullptr) last_ = nullptr;
      // Should this one wait, another fiber sees to the rest.
      if (first_ != nullptr && !successor_posted_) {
        retain();
        successor_posted_ = vervet_hub_post(hub_, &successor_) == 0;
        if (!successor_posted_) release();
      }
      node->run(*node);
    }
  }

  vervet_hub* hub_;
  std::atomic<std::uint32_t> shares_{1};
  std::atomic<ready_node*> arrived_{nullptr};
  callback_of arrival_;
  // On the hub's thread alone:
  callback_of successor_;
  bool successor_posted_ = false;
  ready_node* first_ = nullptr;
  ready_node* last_ = nullptr;
  coroutine_root* roots_ = nullptr;
  void (*at_end_)(coroutine_root*) = nullptr;
};

}  // namespace vervet::detail
