// Generators: functions that hand out values one by one and stay where they are in between.
//
//     vervet::generator<int> squares([](auto& yield) {
//       for (int i = 0; i < 5; ++i) yield(i * i);
//     });
//     for (int s : squares) …
//
// Python's generators with a stack of their own: the body may yield from any depth of calls, and
// wait for anything meanwhile.
#pragma once

#include <concepts>
#include <cstddef>
#include <exception>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include <vervet/abi.h>
#include <vervet/error.hpp>
#include <vervet/outcome.hpp>

namespace vervet {

// What close() throws into the body at its yield (Python's GeneratorExit). Let it pass.
class generator_exit : public cut_short {
 public:
  const char* what() const noexcept override { return "vervet: the generator was closed"; }
};

// How to make a generator.
struct generator_options {
  std::size_t stack_size = 0;  // bytes, guard page included; 0: 64 KiB
};

template <typename T, typename In = void, typename Return = void>
class generator;

namespace detail {

struct nothing {};
template <typename T>
using stored = std::conditional_t<std::is_void_v<T>, nothing, T>;

// What a generator and its body share.
template <typename T, typename In, typename Return>
struct generator_state {
  vervet_coroutine* coroutine = nullptr;  // null once the body has ended
  bool begun = false;
  bool running = false;
  std::optional<T> out;
  std::optional<stored<In>> in;
  std::exception_ptr thrown_in;
  std::exception_ptr error;
  result<Return> returned;
  bool has_returned = false;

  generator_state() = default;
  generator_state(const generator_state&) = delete;
  generator_state& operator=(const generator_state&) = delete;
  virtual ~generator_state() { free_coroutine(); }

  virtual void call() = 0;

  static void enter(void* argument) noexcept {
    auto& self = *static_cast<generator_state*>(argument);
    try {
      if (self.thrown_in) std::rethrow_exception(std::exchange(self.thrown_in, nullptr));
      self.call();
      self.has_returned = true;
    } catch (...) {
      self.error = std::current_exception();
      // libc's own unwinding cannot go on beyond this stack.
      if (!self.error) std::terminate();
    }
  }

  void check_idle() const {
    if (running) throw std::logic_error("vervet: the generator is running already");
  }

  // Runs the body up to its next yield or its end. REQUIRES: check_idle().
  void resume() {
    begun = running = true;
    int failure = vervet_coroutine_resume(coroutine);
    if (failure != 0) throw_error(failure, "vervet: generator");
    running = false;
    if (!vervet_coroutine_has_ended(coroutine)) return;
    free_coroutine();
    out.reset();
    if (error) std::rethrow_exception(std::exchange(error, nullptr));
  }

  void free_coroutine() { vervet_coroutine_free(std::exchange(coroutine, nullptr)); }
};

template <typename T, typename In, typename Return, typename F>
struct generator_of final : generator_state<T, In, Return> {
  using yielder = typename generator<T, In, Return>::yielder;

  F body;

  template <typename From>
  explicit generator_of(From&& from) : body(std::forward<From>(from)) {}
  void call() override {
    yielder yield(*this);
    this->returned.fill([&]() -> Return { return static_cast<Return>(std::invoke(body, yield)); });
  }
};

}  // namespace detail

// A generator hands out Ts, may be sent Ins and returns a Return at its end.
//
// The body is called as body(yield), `yield` a generator::yielder&. It begins at the first next()
// and runs as the flow that calls next(), send(), throw_in() or close(), until its next yield: it
// has that fiber's locals and id, what it waits for parks that fiber, kills and timeouts of that
// fiber cut its waits. Timeouts that the body has entered itself hold for the body alone, and go on
// while it is suspended.
//
// Thread safety: none, as for any object; a call while the body runs throws std::logic_error. Flows
// of several threads may call one after the other, if the body keeps no address of a thread_local
// variable across a yield.
// Movable; not copyable. The destructor closes it, and nothing cuts the waits of the body
// meanwhile; what leaves the body is dropped. A body that yields instead of ending, or destroys its
// own generator, ends the process. T, In and Return are values or void (T: a value); references
// through pointers.
template <typename T, typename In, typename Return>
class generator {
  static_assert(std::is_object_v<T>, "a generator hands out values");
  static_assert(!std::is_reference_v<In>, "a generator is sent values");
  using state = detail::generator_state<T, In, Return>;

 public:
  using value_type = T;
  // What a yield returns: void, or what send() gave; nullopt after next().
  using received = std::conditional_t<std::is_void_v<In>, void, std::optional<detail::stored<In>>>;

  // What the body is called with, to yield by: as long as the body runs, by the flow that runs it.
  class yielder {
   public:
    yielder(const yielder&) = delete;
    yielder& operator=(const yielder&) = delete;

    // Hands out `value` and stops here until somebody asks for the next one.
    // Throws what throw_in() was given; generator_exit on close(). std::logic_error if the caller
    // is not the flow that runs the body, say a fiber that the body has spawned.
    received operator()(T value) {
      state_.in.reset();
      suspend(std::move(value));
      if (state_.thrown_in) std::rethrow_exception(std::exchange(state_.thrown_in, nullptr));
      if constexpr (!std::is_void_v<In>) return std::exchange(state_.in, std::nullopt);
    }

    // Hands out all that `inner` does, and lets through what is sent and thrown in; returns what it
    // returned (Python's yield from). A close ends `inner` first.
    template <typename Inner>
    Inner from(generator<T, In, Inner>& inner) {
      std::optional<T> value = inner.next();
      while (value) {
        std::exception_ptr thrown;
        try {
          if constexpr (std::is_void_v<In>) {
            (*this)(std::move(*value));
            value = inner.next();
            continue;
          } else {
            received sent = (*this)(std::move(*value));
            value = sent ? inner.send(std::move(*sent)) : inner.next();
            continue;
          }
        } catch (const generator_exit&) {
          inner.close();
          throw;
        } catch (...) {
          if (inner.done()) throw;
          thrown = std::current_exception();
        }
        value = inner.throw_in(std::move(thrown));
      }
      if constexpr (!std::is_void_v<Inner>) return std::move(inner.result());
    }
    template <typename Inner>
    Inner from(generator<T, In, Inner>&& inner) {
      return from(inner);
    }

   private:
    template <typename, typename, typename, typename>
    friend struct detail::generator_of;

    explicit yielder(state& s) : state_(s) {}

    void suspend(T&& value) {
      std::optional<T> before = std::exchange(state_.out, std::move(value));
      if (vervet_coroutine_suspend(state_.coroutine) == 0) return;
      state_.out = std::move(before);
      throw std::logic_error("vervet: a yield outside of the generator's body");
    }

    state& state_;
  };

  // Throws std::system_error (resource_unavailable_try_again: no memory for the stack;
  // invalid_argument: its size), std::bad_alloc. `body` is copied or moved; it lives as long as the
  // generator.
  template <typename F>
  requires std::invocable < std::decay_t<F>
  &, yielder& > explicit generator(F&& body)
      : generator(generator_options{}, std::forward<F>(body)) {}
  template <typename F>
  requires std::invocable < std::decay_t<F>
  &, yielder& > generator(generator_options options, F&& body) {
    using full = detail::generator_of<T, In, Return, std::decay_t<F>>;
    detail::register_exceptions();
    auto made = std::make_unique<full>(std::forward<F>(body));
    int error = vervet_coroutine_make(&made->coroutine, options.stack_size, state::enter,
                                      static_cast<state*>(made.get()));
    if (error != 0) detail::throw_error(error, "vervet: generator");
    state_ = std::move(made);
  }

  generator(generator&&) noexcept = default;
  generator& operator=(generator&& other) noexcept {
    if (this != &other) {
      finish();
      state_ = std::move(other.state_);
    }
    return *this;
  }
  ~generator() { finish(); }

  // Runs the body to its next yield: what it yielded, or nullopt if it has returned (the first
  // time as ever after). Rethrows what leaves the body, which has ended then.
  // Blocks as the body does.
  std::optional<T> next() {
    if (state_->coroutine == nullptr) return std::nullopt;
    state_->check_idle();
    state_->resume();
    return take();
  }

  // The same, and the yield that the body stands at returns `value`. Throws std::logic_error if the
  // body has not begun: no yield is there to return it.
  template <typename Value>
  requires(!std::is_void_v<In> &&
           std::convertible_to<Value, detail::stored<In>>) std::optional<T> send(Value&& value) {
    if (state_->coroutine == nullptr) return std::nullopt;
    state_->check_idle();
    if (!state_->begun) throw std::logic_error("vervet: send() to a generator that has not begun");
    state_->in.emplace(std::forward<Value>(value));
    state_->resume();
    return take();
  }

  // The same, and that yield throws. A body that has not begun never does: throws the exception
  // here; as does one that has ended.
  std::optional<T> throw_in(std::exception_ptr exception) {
    if (state_->coroutine == nullptr) std::rethrow_exception(std::move(exception));
    state_->check_idle();
    state_->thrown_in = std::move(exception);
    state_->resume();
    return take();
  }
  template <typename E>
  requires(!std::same_as<std::decay_t<E>, std::exception_ptr>) std::optional<T> throw_in(
      E&& exception) {
    return throw_in(std::make_exception_ptr(std::forward<E>(exception)));
  }

  // Ends a body that stands at a yield: generator_exit is thrown there, so that destructors run. No
  // effect if it has not begun or has ended. Throws what else leaves the body; std::logic_error if
  // it yields once more instead of ending.
  void close() {
    if (state_->coroutine == nullptr) return;
    if (!state_->begun) return state_->free_coroutine();
    state_->check_idle();
    state_->thrown_in = std::make_exception_ptr(generator_exit());
    try {
      state_->resume();
    } catch (const generator_exit&) {
      return;
    }
    if (state_->coroutine != nullptr)
      throw std::logic_error("vervet: the generator ignored close()");
  }

  // True if next() would return nullopt without running anything. Never blocks.
  bool done() const noexcept { return state_->coroutine == nullptr; }

  // What the body returned. Throws std::logic_error if it has not.
  decltype(auto) result() requires(!std::is_void_v<Return>) {
    if (!state_->has_returned) throw std::logic_error("vervet: the generator has not returned");
    return (*state_->returned.value);
  }

  // One pass: `for (T& value : g)`. begin() runs the body to its first yield, ++ to the next one.
  class iterator {
   public:
    using value_type = T;
    using difference_type = std::ptrdiff_t;

    T& operator*() const { return *of_->state_->out; }
    T* operator->() const { return &*of_->state_->out; }
    iterator& operator++() {
      of_->advance();
      return *this;
    }
    void operator++(int) { of_->advance(); }
    friend bool operator==(const iterator& at, std::default_sentinel_t) { return at.of_->done(); }

   private:
    friend class generator;
    explicit iterator(generator* of) : of_(of) {}
    generator* of_;
  };

  // begin() and the iterator's ++ run the body up to its next yield. They throw what next() throws.
  iterator begin() {
    advance();
    return iterator(this);
  }
  std::default_sentinel_t end() const noexcept { return std::default_sentinel; }

 private:
  void advance() {
    if (state_->coroutine == nullptr) return;
    state_->check_idle();
    state_->resume();
  }

  void finish() noexcept {
    if (!state_ || state_->coroutine == nullptr) return;
    state_->check_idle();
    vervet_scope shield{};
    shield.deadline = VERVET_NEVER;
    shield.flags = VERVET_SCOPE_SHIELD;
    vervet_scope_enter(&shield);
    try {
      close();
    } catch (...) {
      if (state_->coroutine != nullptr) std::terminate();
    }
    vervet_scope_leave(&shield);
  }

  std::optional<T> take() { return std::exchange(state_->out, std::nullopt); }

  std::unique_ptr<state> state_;
};

}  // namespace vervet
