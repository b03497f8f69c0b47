// For tests of what is cut short.
#pragma once

#include <vervet/vervet.hpp>

// A fiber that calls f() and returns whether fiber_exit came out.
template <typename F>
vervet::fiber<bool> spawn_victim(F f) {
  return vervet::spawn([f]() mutable {
    try {
      f();
    } catch (const vervet::fiber_exit&) {
      return true;
    }
    return false;
  });
}

template <typename T>
void kill(const vervet::fiber<T>& f) {
  vervet_kill(f.native_handle());
}
