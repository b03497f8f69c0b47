// An exception nobody catches in a thread ends the process by std::terminate.
// oracle: signal=ABRT
#include "../check.h"

#include <exception>
#include <stdexcept>
#include <thread>

int main() {
  std::set_terminate([] {
    try {
      std::rethrow_exception(std::current_exception());
    } catch (const std::exception& error) {
      say("terminate with: %s", error.what());
    }
    abort();
  });
  std::thread thread([] {
    usleep(1000);
    throw std::runtime_error("nobody's");
  });
  thread.join();
  say("not reached");
}
