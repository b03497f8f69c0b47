// How a callable's result or exception gets from a fiber to whoever asks for it. Not for direct
// use.
//
// Exceptions never cross the C interface: they are caught here, in code compiled into the program,
// with the program's own C++ runtime.
#pragma once

#include <cxxabi.h>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include <vervet/abi.h>
#include <vervet/error.hpp>

namespace vervet::detail {

// The exceptions a fiber has caught and those in flight follow it from switch to switch.
inline void register_exceptions() {
  static const bool registered =
      (vervet_register_exception_globals(reinterpret_cast<void* (*)()>(&abi::__cxa_get_globals)),
       true);
  static_cast<void>(registered);
}

inline void report_uncaught(std::exception_ptr error) noexcept {
  try {
    std::rethrow_exception(std::move(error));
  } catch (const std::exception& known) {
    vervet_report_uncaught(known.what());
  } catch (const cut_short& known) {
    vervet_report_uncaught(known.what());
  } catch (...) {
    vervet_report_uncaught("of a type not derived from std::exception");
  }
}

// A value of type T, and how get() hands it out: `kept` stays with the fiber.
template <typename T>
struct result {
  using kept = const T&;
  std::optional<T> value;

  template <typename Call>
  void fill(Call&& call) {
    value.emplace(std::forward<Call>(call)());
  }
  kept look() const { return *value; }
  T take() { return std::move(*value); }
};

template <typename T>
struct result<T&> {
  using kept = T&;
  T* value = nullptr;

  template <typename Call>
  void fill(Call&& call) {
    value = std::addressof(std::forward<Call>(call)());
  }
  kept look() const { return *value; }
  T& take() { return *value; }
};

template <>
struct result<void> {
  using kept = void;

  template <typename Call>
  void fill(Call&& call) {
    std::forward<Call>(call)();
  }
  void look() const {}
  void take() {}
};

// Everything about an end but the value's type.
struct outcome_base {
  std::exception_ptr error;
  bool filled = false;     // it returned
  bool cancelled = false;  // ended by fiber_exit, or killed before it began: not an error

  outcome_base() = default;
  outcome_base(const outcome_base&) = delete;
  outcome_base& operator=(const outcome_base&) = delete;

  // REQUIRES: the call has ended.
  void rethrow() const {
    if (error) std::rethrow_exception(error);
    if (!filled)
      throw std::logic_error("vervet: the fiber was ended by pthread_exit, without a result");
  }
};

// `Base` is outcome_base, or what derives from it.
template <typename T, typename Base = outcome_base>
struct outcome : Base {
  detail::result<T> result;

  // Runs `call`; nothing but libc's own unwinding (pthread_exit, cancellation) leaves it.
  template <typename Call>
  void run(Call&& call) {
    try {
      result.fill(std::forward<Call>(call));
      this->filled = true;
    } catch (const fiber_exit&) {
      this->error = std::current_exception();
      this->cancelled = true;
    } catch (...) {
      this->error = std::current_exception();
      // No exception of C++: libc's, which must go on or the process is ended.
      if (!this->error) throw;
    }
  }
};

}  // namespace vervet::detail
