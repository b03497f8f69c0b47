// What the fibers of a storm share, and what they may wait for.
#pragma once

#include <atomic>
#include <memory>
#include <random>
#include <span>
#include <stdexcept>

#include <vervet/fd.hpp>
#include <vervet/pool.hpp>
#include <vervet/stream.hpp>
#include <vervet/task_group.hpp>
#include <vervet/tcp.hpp>
#include <vervet/thread_pool.hpp>
#include <vervet/unix.hpp>
#include <vervet/vervet.hpp>

namespace test {

// Whoever is alive of these at the end was not destroyed.
struct counted {
  static inline std::atomic<int> alive{0};
  counted() { ++alive; }
  counted(const counted&) { ++alive; }
  ~counted() { --alive; }
};
// What goes through queues and channels, on the heap: lost, it is a leak.
using item = std::shared_ptr<counted>;
inline item new_item() { return std::make_shared<counted>(); }

using choices = std::minstd_rand;
// The low bits of consecutive numbers are not independent.
inline unsigned pick(choices& random, unsigned below) {
  return static_cast<unsigned>(random() / 7 % below);
}
inline bool one_in(choices& random, unsigned n) { return pick(random, n) == 0; }
inline std::chrono::microseconds some_microseconds(choices& random) {
  return std::chrono::microseconds(20 + pick(random, 200));
}

// Lets others run, in one of several ways. Throws cut_short.
void linger(choices& random);

struct world {
  vervet::event event;
  vervet::semaphore semaphore{2};
  vervet::bounded_semaphore one{1};
  vervet::mutex mutex;
  vervet::recursive_mutex recursive;
  vervet::shared_mutex shared;
  vervet::mutex cv_mutex;
  vervet::condition_variable cv;
  vervet::condition_variable_any cv_any;
  unsigned generation = 0;  // guarded by cv_mutex; each one is notified
  vervet::queue<item> queue{1};
  vervet::lifo_queue<item> lifo{1};
  vervet::priority_queue<item> priority{1};
  vervet::channel<item> unbuffered;
  vervet::channel<item> buffered{1};
  vervet::pool pool{2};
  vervet::thread_pool threads{vervet::thread_pool_options{.threads = 2, .queue = 1}};
  vervet::local<item> own;
  vervet::unix_socket near, far;  // connected; what is sent to either is read by feed()
  std::atomic<int> exclusive{0};  // who holds `mutex`

  world();

  // Gives those who wait what they wait for. May wait itself, in a fiber that nobody kills.
  void feed();
  // Throws std::logic_error, with the name of what does not work any more. REQUIRES: no other fiber
  // uses the world.
  void verify();
};

// Something that waits, maybe several times, in all ways of one part of the API. It ends if feed()
// is called from time to time. Whatever it holds is counted. Throws cut_short.
struct step {
  const char* name;
  void (*run)(world&, choices&);
};
std::span<const step> sync_steps();
std::span<const step> fiber_steps();
std::span<const step> io_steps();

}  // namespace test
