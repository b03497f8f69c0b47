// Locals: values that each flow, a fiber or an OS thread, has its own of; and contexts, which carry
// them to other flows on request.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <type_traits>
#include <utility>
#include <vector>

#include <vervet/detail/flow_local.hpp>
#include <vervet/detail/guard_lock.hpp>

namespace vervet {

// Marks a local whose values a context carries: local<user> who(inheritable).
struct inheritable_t {};
inline constexpr inheritable_t inheritable{};

namespace detail {

// One flow's value of one local.
struct local_value {
  std::uint64_t id = 0;    // the local's: slots are used again
  std::uint64_t made = 0;  // the n-th of its flow

  std::unique_ptr<local_value> (*clone)(const local_value&) = nullptr;  // null: not inheritable

  local_value() = default;
  virtual ~local_value() = default;
};

template <typename T>
struct local_value_of final : local_value {
  T value;

  // `make` converts to T, so that one that cannot be moved is made in place.
  template <typename Make>
  explicit local_value_of(Make&& make) : value(std::forward<Make>(make)) {}

  static std::unique_ptr<local_value> copy(const local_value& of) {
    auto made = std::make_unique<local_value_of>(static_cast<const local_value_of&>(of).value);
    made->id = of.id;
    made->clone = of.clone;
    return made;
  }
};

// Which places in the tables below are taken. Any thread.
class local_slots {
 public:
  struct place {
    std::size_t slot;
    std::uint64_t id;
  };

  static place take() {
    local_slots& all = get();
    std::lock_guard guard(all.lock_);
    std::uint64_t id = ++all.latest_id_;
    if (all.free_.empty()) {
      all.free_.reserve(all.count_ + 1);  // so that give() needs no memory
      return {all.count_++, id};
    }
    std::size_t slot = all.free_.back();
    all.free_.pop_back();
    return {slot, id};
  }
  static void give(std::size_t slot) noexcept {
    local_slots& all = get();
    std::lock_guard guard(all.lock_);
    all.free_.push_back(slot);
  }

 private:
  // Never destroyed: locals may be, after it.
  static local_slots& get() {
    static auto* all = new local_slots;
    return *all;
  }

  guard_lock lock_;
  std::uint64_t latest_id_ = 0;
  std::size_t count_ = 0;
  std::vector<std::size_t> free_;
};

// A flow's values. Thread safety: of its flow alone.
class local_table {
 public:
  static local_table* if_any() noexcept {
    flow_locals* flow = flow_locals_if_any();
    return flow != nullptr ? static_cast<local_table*>(flow->locals) : nullptr;
  }
  static local_table& here() {
    flow_locals& flow = flow_locals_here();
    if (flow.locals == nullptr) {
      flow.locals = new local_table;
      flow.drop = [](void* table) { delete static_cast<local_table*>(table); };
    }
    return *static_cast<local_table*>(flow.locals);
  }

  local_table() = default;
  local_table(const local_table&) = delete;
  local_table& operator=(const local_table&) = delete;
  // The latest first.
  ~local_table() {
    std::ranges::sort(values_, std::ranges::less{},
                      [](const auto& v) { return v ? v->made : std::uint64_t{0}; });
    while (!values_.empty()) values_.pop_back();
  }

  local_value* find(local_slots::place at) const noexcept {
    if (at.slot >= values_.size()) return nullptr;
    local_value* v = values_[at.slot].get();
    return v != nullptr && v->id == at.id ? v : nullptr;
  }
  // Returns what was there, for the caller to destroy: that may come back here.
  std::unique_ptr<local_value> put(std::size_t slot, std::unique_ptr<local_value> v) {
    if (slot >= values_.size()) values_.resize(slot + 1);
    if (v) v->made = ++latest_;
    return std::exchange(values_[slot], std::move(v));
  }

  struct inherited {
    std::size_t slot;
    std::unique_ptr<local_value> value;
  };
  std::vector<inherited> copy_inheritable() const {
    std::vector<inherited> copies;
    for (std::size_t slot = 0; slot < values_.size(); ++slot)
      if (is_inheritable(slot)) copies.push_back({slot, values_[slot]->clone(*values_[slot])});
    return copies;
  }

  std::vector<inherited> take_inheritable() {
    std::vector<inherited> taken;
    for (std::size_t slot = 0; slot < values_.size(); ++slot)
      if (is_inheritable(slot)) taken.push_back({slot, put(slot, nullptr)});
    return taken;
  }

 private:
  bool is_inheritable(std::size_t slot) const {
    return values_[slot] && values_[slot]->clone != nullptr;
  }

  std::vector<std::unique_ptr<local_value>> values_;  // by slot
  std::uint64_t latest_ = 0;
};

}  // namespace detail

// A local<T> is a T for each flow that asks, made when it first does: gevent's local, one value
// each.
//
//     vervet::local<int> depth;                                // int{}
//     vervet::local<connection> db([] { return connect(); });  // the first *db of a flow connects
//
// A flow's values are destroyed when its fiber, or OS thread, ends, the latest first, in that flow;
// one that is asked for by such a destructor is made anew. Values of a local that has been
// destroyed itself live on until then, or until another local takes their place. A generator's body
// uses the values of the flow that resumes it.
//
// Thread safety: any flow may call; a value is its flow's own. References to it hold until the flow
// ends, or resets it. Never blocks, but for what making and destroying a T does. Neither copyable
// nor movable: mostly static.
template <typename T>
class local {
 public:
  local() requires std::default_initializable<T> : local([] { return T(); }) {}

  // `initial` makes a flow's value when it is first asked for. It must stand being called by
  // several threads at a time.
  template <typename F>
  requires std::is_invocable_r_v<T, F&>
  explicit local(F initial) : initial_(std::move(initial)) {}

  // The same for values that a context carries.
  explicit local(inheritable_t) requires std::default_initializable<T> && std::copy_constructible<T>
      : local(inheritable, [] { return T(); }) {}
  template <typename F>
  requires std::is_invocable_r_v<T, F&> && std::copy_constructible<T> local(inheritable_t,
                                                                            F initial)
      : initial_(std::move(initial)), clone_(&detail::local_value_of<T>::copy) {}

  local(const local&) = delete;
  local& operator=(const local&) = delete;
  ~local() { detail::local_slots::give(place_.slot); }

  // The calling flow's value, made now if it has none. Throws what making it throws,
  // std::bad_alloc.
  T& get() {
    if (T* present = get_if()) return *present;
    auto made = make(initial_);
    // Making it may have asked for it.
    if (T* present = get_if()) return *present;
    return put(std::move(made));
  }
  T& operator*() { return get(); }
  T* operator->() { return &get(); }

  // Gives the calling flow this value, without asking the initial function for one.
  template <std::convertible_to<T> Value>
  T& set(Value&& value) {
    if (T* present = get_if()) {
      if constexpr (std::is_assignable_v<T&, Value>) return *present = std::forward<Value>(value);
    }
    return put(make([&]() -> T { return std::forward<Value>(value); }));
  }

  // Null if the calling flow has none.
  T* get_if() const noexcept {
    detail::local_table* table = detail::local_table::if_any();
    detail::local_value* v = table != nullptr ? table->find(place_) : nullptr;
    return v != nullptr ? &static_cast<detail::local_value_of<T>*>(v)->value : nullptr;
  }

  // Destroys the calling flow's value; it would get a new one.
  void reset() {
    if (get_if() == nullptr) return;
    auto old = detail::local_table::here().put(place_.slot, nullptr);
  }

 private:
  template <typename F>
  std::unique_ptr<detail::local_value> make(const F& initial) const {
    struct from {
      const F& f;
      operator T() const { return f(); }
    };
    auto made = std::make_unique<detail::local_value_of<T>>(from{initial});
    made->id = place_.id;
    made->clone = clone_;
    return made;
  }

  T& put(std::unique_ptr<detail::local_value> v) {
    T& value = static_cast<detail::local_value_of<T>&>(*v).value;
    auto old = detail::local_table::here().put(place_.slot, std::move(v));
    return value;
  }

  const detail::local_slots::place place_ = detail::local_slots::take();
  const std::function<T()> initial_;
  std::unique_ptr<detail::local_value> (*const clone_)(const detail::local_value&) = nullptr;
};

// A context is a copy of a flow's inheritable locals, for other flows to run in. New fibers start
// with no values, as gevent's do; who wants asyncio's way spawns inherit(f).
//
// Copies share one immutable snapshot. Thread safety: any. Never blocks.
class context {
 public:
  // No values at all.
  context() = default;

  // Copies what the calling flow has now. Throws what copying a value throws.
  static context current() {
    context made;
    if (detail::local_table* table = detail::local_table::if_any())
      made.values_ = std::make_shared<const values>(table->copy_inheritable());
    return made;
  }

  // Calls f() here, with the snapshot's values in place of the flow's own inheritable ones, and
  // returns its result. What f sets is gone afterwards, and the flow's own are back: unlike
  // Python's contexts, one may be run by several flows at a time.
  template <typename F>
  requires std::invocable<F&&>
  auto run(F&& f) const -> std::invoke_result_t<F&&> {
    exchange inside(values_.get());
    return std::invoke(std::forward<F>(f));
  }

 private:
  using values = std::vector<detail::local_table::inherited>;

  // Puts copies of the values in, and the flow's own back at the end.
  class exchange {
   public:
    explicit exchange(const values* v) {
      values fresh;
      if (v != nullptr)
        for (const auto& i : *v) fresh.push_back({i.slot, i.value->clone(*i.value)});
      detail::local_table& table = detail::local_table::here();
      own_ = table.take_inheritable();
      for (auto& i : fresh) table.put(i.slot, std::move(i.value));
    }
    exchange(const exchange&) = delete;
    exchange& operator=(const exchange&) = delete;
    ~exchange() {
      detail::local_table& table = detail::local_table::here();
      values used = table.take_inheritable();
      for (auto& i : own_) table.put(i.slot, std::move(i.value));
    }

   private:
    values own_;
  };

  std::shared_ptr<const values> values_;
};

// inherit() returns f such that it runs in the context of whoever calls inherit():
//     vervet::spawn(vervet::inherit(handle), connection);
template <typename F>
auto inherit(F&& f) {
  using call = std::decay_t<F>;
  return [in = context::current(), f = call(std::forward<F>(f))]<typename... Args>(
             Args&&... args) mutable -> std::invoke_result_t<call&, Args...> {
    return in.run([&]() -> std::invoke_result_t<call&, Args...> {
      return std::invoke(f, std::forward<Args>(args)...);
    });
  };
}

}  // namespace vervet
