// Fibers and coroutines on one hub: a task awaits a fiber, a fiber gets a task, an event wakes
// both.
#include <chrono>
#include <cstdio>
#include <string>

#include <vervet/event.hpp>
#include <vervet/task.hpp>
#include <vervet/vervet.hpp>

using namespace std::chrono_literals;

// In a fiber any function may wait; nothing in its signature says so.
std::string brew(const char* what) {
  vervet::sleep_for(20ms);
  return std::string("a cup of ") + what;
}

// A task says co_await, and costs no stack while it waits.
vervet::task<std::string> order(const char* what) {
  vervet::fiber<std::string> kitchen = vervet::spawn(brew, what);
  std::printf("%s is ordered\n", what);
  co_return co_await kitchen;
}

vervet::task<> wait_for(vervet::event& open, const char* who) {
  co_await open;
  std::printf("%s goes in\n", who);
}

int main() {
  vervet::event open;

  // A coroutine awaits a fiber; fibers get what coroutines return.
  vervet::running<std::string> tea = vervet::start(order("tea"));
  auto guest = vervet::spawn([&] {
    open.wait();
    std::puts("the fiber goes in");
    std::printf("the fiber has %s\n", tea.get().c_str());
  });
  auto other = vervet::start(wait_for(open, "the coroutine"));

  vervet::sleep_for(1ms);
  open.set();
  vervet::joinall(guest);
  other.get();

  // Both at once, from a coroutine.
  auto both = []() -> vervet::task<> {
    auto [milk, soup] = co_await vervet::when_all(order("milk"), order("soup"));
    std::printf("%s and %s\n", milk.c_str(), soup.c_str());
  };
  vervet::start(both()).get();
}
