// C++20 coroutines on our hub: a task a connection, while the main flow accepts.
#include <sys/socket.h>

#include <chrono>
#include <span>
#include <system_error>

#include <vervet/vervet.hpp>

#include "start.h"

namespace {

using vervet::async_read;
using vervet::async_write;
using vervet::task;
using vervet::tcp_socket;

arguments given;

task<> echo(const tcp_socket& client) {
  char buffer[echo_buffer_size];
  while (std::size_t size = co_await async_read(client, buffer))
    co_await async_write(client, std::span(buffer, size));
}

task<bool> stream(const tcp_socket& client, const char* line, std::size_t size) {
  std::int64_t number = stream_request(line, size);
  if (number < 0) co_return false;
  for (unsigned chunk = 0; chunk < stream_chunks; ++chunk) {
    co_await vervet::after(std::chrono::milliseconds(think_time_ms));
    co_await async_write(client, std::span(stream_chunk(number, chunk), stream_chunk_size));
  }
  co_return true;
}

task<> take_requests(const tcp_socket& client) {
  char buffer[request_buffer_size];
  std::size_t have = 0;
  while (have < sizeof buffer) {
    std::size_t size = co_await async_read(client, std::span(buffer).subspan(have));
    if (size == 0) co_return;
    have += size;
    while (std::size_t taken = request_size(given.service, buffer, have)) {
      if (given.service == service_http)
        co_await async_write(client, std::span(http_answer, http_answer_size));
      else if (!co_await stream(client, buffer, taken))
        co_return;
      have -= taken;
      std::memmove(buffer, buffer + taken, have);
    }
  }
}

task<> serve(tcp_socket client) {
  try {
    if (given.service == service_echo)
      co_await echo(client);
    else
      co_await take_requests(client);
  } catch (const std::system_error&) {
    // The peer has gone.
  }
}

}  // namespace

int main(int argc, char** argv) {
  given = arguments_of(argc, argv, 1);
  int number = listen_on_loopback(SOCK_NONBLOCK);
  announce(number);
  vervet::tcp_listener listener(number);
  for (;;) vervet::start(serve(listener.accept()));
}
