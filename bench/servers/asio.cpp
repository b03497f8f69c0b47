// Asio (without Boost): a C++20 coroutine a connection; all workers run one io_context.
#include <chrono>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <thread>
#include <utility>
#include <vector>

#include <asio.hpp>

#include "start.h"

namespace {

using asio::awaitable;
using asio::use_awaitable;
using asio::ip::tcp;

arguments given;

awaitable<void> echo(tcp::socket& client) {
  char buffer[echo_buffer_size];
  for (;;) {
    std::error_code error;
    std::size_t size = co_await client.async_read_some(asio::buffer(buffer),
                                                       asio::redirect_error(use_awaitable, error));
    if (error) co_return;
    co_await asio::async_write(client, asio::buffer(buffer, size), use_awaitable);
  }
}

awaitable<bool> stream(tcp::socket& client, const char* line, std::size_t size) {
  std::int64_t number = stream_request(line, size);
  if (number < 0) co_return false;
  asio::steady_timer timer(client.get_executor());
  for (unsigned chunk = 0; chunk < stream_chunks; ++chunk) {
    timer.expires_after(std::chrono::milliseconds(think_time_ms));
    co_await timer.async_wait(use_awaitable);
    co_await asio::async_write(client, asio::buffer(stream_chunk(number, chunk), stream_chunk_size),
                               use_awaitable);
  }
  co_return true;
}

awaitable<void> take_requests(tcp::socket& client) {
  char buffer[request_buffer_size];
  std::size_t have = 0;
  while (have < sizeof buffer) {
    std::error_code error;
    have += co_await client.async_read_some(asio::buffer(buffer + have, sizeof buffer - have),
                                            asio::redirect_error(use_awaitable, error));
    if (error) co_return;
    while (std::size_t taken = request_size(given.service, buffer, have)) {
      if (given.service == service_http)
        co_await asio::async_write(client, asio::buffer(http_answer, http_answer_size),
                                   use_awaitable);
      else if (!co_await stream(client, buffer, taken))
        co_return;
      have -= taken;
      std::memmove(buffer, buffer + taken, have);
    }
  }
}

awaitable<void> serve(tcp::socket client) {
  try {
    if (given.service == service_echo)
      co_await echo(client);
    else
      co_await take_requests(client);
  } catch (const std::system_error&) {
    // The peer has gone.
  }
}

awaitable<void> accept(tcp::acceptor acceptor) {
  for (;;) {
    tcp::socket client = co_await acceptor.async_accept(use_awaitable);
    asio::co_spawn(acceptor.get_executor(), serve(std::move(client)), asio::detached);
  }
}

void fail(std::exception_ptr error) {
  if (!error) return;
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& e) {
    std::cerr << "accept: " << e.what() << '\n';
  }
  std::exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  given = arguments_of(argc, argv, 2);
  int listener = listen_on_loopback(0);
  asio::io_context context(given.workers);
  asio::co_spawn(context, accept(tcp::acceptor(context, tcp::v4(), listener)), fail);
  announce(listener);
  std::vector<std::jthread> others;
  for (int i = 1; i < given.workers; ++i) others.emplace_back([&] { context.run(); });
  context.run();
}
