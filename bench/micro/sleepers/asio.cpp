// Sleepers that are coroutines of Asio.
#include <chrono>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include "bench/micro/sleepers/report.h"

namespace {

asio::awaitable<void> sleep_once(asio::io_context& context, long& woken) {
  asio::steady_timer timer(context, std::chrono::nanoseconds(sleep_time));
  co_await timer.async_wait(asio::use_awaitable);
  ++woken;
}

long all(long count) {
  long woken = 0;
  asio::io_context context(1);
  for (long i = 0; i < count; ++i)
    asio::co_spawn(context, sleep_once(context, woken), asio::detached);
  context.run();
  return woken;
}

}  // namespace

int main(int argc, char** argv) { return measure_sleepers(argc, argv, "asio", all); }
