// Our fibers through the C++ API: one a connection. Light ones on the main thread's hub, or full
// ones inside run(), see CMakeLists.txt.
#include <sys/socket.h>

#include <chrono>

#include <vervet/vervet.hpp>

#include "start.h"

namespace {

arguments given;

void echo(vervet::tcp_socket& client) {
  char buffer[echo_buffer_size];
  while (std::size_t size = client.read_some({buffer, sizeof buffer}))
    client.write_all({buffer, size});
}

bool stream(vervet::tcp_socket& client, const char* line, std::size_t size) {
  std::int64_t number = stream_request(line, size);
  if (number < 0) return false;
  for (unsigned chunk = 0; chunk < stream_chunks; ++chunk) {
    vervet::sleep_for(std::chrono::milliseconds(think_time_ms));
    client.write_all({stream_chunk(number, chunk), stream_chunk_size});
  }
  return true;
}

bool answer(vervet::tcp_socket& client, const char* request, std::size_t size) {
  if (given.service == service_stream) return stream(client, request, size);
  client.write_all({http_answer, http_answer_size});
  return true;
}

void take_requests(vervet::tcp_socket& client) {
  char buffer[request_buffer_size];
  std::size_t have = 0;
  while (have < sizeof buffer) {
    std::size_t size = client.read_some({buffer + have, sizeof buffer - have});
    if (size == 0) return;
    have += size;
    while (std::size_t taken = request_size(given.service, buffer, have)) {
      if (!answer(client, buffer, taken)) return;
      have -= taken;
      std::memmove(buffer, buffer + taken, have);
    }
  }
}

void serve(int listener) {
  vervet::stream_server server(vervet::tcp_listener(listener), [](vervet::tcp_socket& client) {
    if (given.service == service_echo)
      echo(client);
    else
      take_requests(client);
  });
  server.serve_forever();
}

}  // namespace

int main(int argc, char** argv) {
  constexpr bool full = BENCH_FULL_FIBERS;
  given = arguments_of(argc, argv, full ? 2 : 1);
  int listener = listen_on_loopback(SOCK_NONBLOCK);
  announce(listener);
  if (full)
    vervet::run({.workers = static_cast<unsigned>(given.workers)}, [=] { serve(listener); });
  else
    serve(listener);
}
