// Waiting for several objects, each of which is told of once, in the order they become ready. Not
// for direct use.
//
// An object takes part by two members:
//   bool observe(detail::waiter& w)     links w, whose selection is claimed and finished when the
//                                       object is ready; false: it is ready now, nothing is linked
//   void unobserve(detail::waiter& w)   unlinks w, if it still is linked
#pragma once

#include <atomic>
#include <cerrno>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include <vervet/abi.h>
#include <vervet/detail/wait_queue.hpp>

namespace vervet::detail {

template <typename T>
concept observable = requires(T& object, waiter& w) {
  { object.observe(w) } -> std::same_as<bool>;
  object.unobserve(w);
};

// Thread safety: of one flow, but for arrive(). The objects must outlive it.
class observation {
 public:
  explicit observation(std::size_t most) : nodes_(std::make_unique<node[]>(most)) {}
  observation(const observation&) = delete;
  observation& operator=(const observation&) = delete;
  ~observation() { stop(); }

  template <observable T>
  void add(T& object) {
    node& n = nodes_[count_++];
    n.owner = this;
    n.link.of = &n;
    n.object = const_cast<void*>(static_cast<const void*>(std::addressof(object)));
    n.unobserve = [](void* o, waiter& w) { static_cast<T*>(o)->unobserve(w); };
    n.observed = object.observe(n.link);
    if (n.observed)
      ++on_the_way_;
    else
      append(n);
  }

  // How many have not been told of.
  std::size_t left() const { return count_ - told_; }

  // Waits for the next one; `which` receives how many were added before it. 0; ETIMEDOUT,
  // ECANCELED, EDEADLK as vervet_park(). What is ready wins over a deadline that has passed.
  // REQUIRES: left() != 0.
  int next(std::size_t& which, std::int64_t deadline) {
    take_arrived();
    while (first_ == nullptr) {
      int error = vervet_park(&arrived_, none_arrived, this, deadline, 0);
      take_arrived();
      if (error == ECANCELED || (error != 0 && first_ == nullptr)) return error;
    }
    node* n = std::exchange(first_, first_->next);
    if (first_ == nullptr) last_ = nullptr;
    ++told_;
    which = static_cast<std::size_t>(n - nodes_.get());
    return 0;
  }

  // Lets go of the objects.
  void stop() noexcept {
    for (std::size_t i = 0; i < count_; ++i) {
      node& n = nodes_[i];
      if (!n.observed || !n.claim()) continue;
      --on_the_way_;
      n.unobserve(n.object, n.link);
    }
    // Claimed by an object that is about to finish it, and uses the node until then.
    for (take_arrived(); on_the_way_ != 0; take_arrived())
      vervet_park(&arrived_, none_arrived, this, VERVET_NEVER,
                  VERVET_PARK_UNCUT | VERVET_PARK_OUTSIDE);
    count_ = told_ = 0;
    first_ = last_ = nullptr;
  }

 private:
  struct node : selection {
    node() : selection(&observation::arrive) {}

    waiter link;
    observation* owner = nullptr;
    void* object = nullptr;
    void (*unobserve)(void*, waiter&) = nullptr;
    bool observed = false;
    node* next = nullptr;
  };

  // By whoever makes an object ready, with the object's lock held: takes none. Once the node is
  // among the arrived it may be gone, and its owner: the address alone is used.
  static void arrive(selection& finished) noexcept {
    node& n = static_cast<node&>(finished);
    std::atomic<node*>& arrived = n.owner->arrived_;
    n.next = arrived.load(std::memory_order_relaxed);
    while (!arrived.compare_exchange_weak(n.next, &n, std::memory_order_seq_cst)) {
    }
    vervet_unpark(&arrived, 1);
  }

  static int none_arrived(void* self) {
    return static_cast<observation*>(self)->arrived_.load() == nullptr;
  }

  // They stand latest first.
  void take_arrived() noexcept {
    node* latest = arrived_.exchange(nullptr, std::memory_order_acquire);
    node* earliest = nullptr;
    while (latest != nullptr) {
      node* before = std::exchange(latest->next, earliest);
      earliest = std::exchange(latest, before);
    }
    while (earliest != nullptr) {
      node& n = *std::exchange(earliest, earliest->next);
      --on_the_way_;
      append(n);
    }
  }

  void append(node& n) noexcept {
    n.next = nullptr;
    (last_ != nullptr ? last_->next : first_) = &n;
    last_ = &n;
  }

  std::unique_ptr<node[]> nodes_;
  std::size_t count_ = 0;
  std::size_t told_ = 0;
  std::size_t on_the_way_ = 0;  // observed, and not arrived
  std::atomic<node*> arrived_{nullptr};
  node* first_ = nullptr;  // arrived, not told of
  node* last_ = nullptr;
};

}  // namespace vervet::detail
