// An echo server and two clients with buffered streams. The clients talk at the same time, each at
// its own pace; the server has a fiber for each of them.
#include <chrono>
#include <iostream>
#include <string>

#include <vervet/fiber.hpp>
#include <vervet/joinall.hpp>
#include <vervet/open_connection.hpp>
#include <vervet/stream.hpp>
#include <vervet/stream_server.hpp>
#include <vervet/tcp.hpp>

using namespace std::chrono_literals;

void echo(vervet::tcp_socket& client) {
  vervet::stream peer(client);
  for (std::string line; !(line = peer.read_line()).empty();) {
    peer.write("you said: " + line);
    peer.drain();  // waits while the client does not read
  }
}

void talk(std::uint16_t port, std::string name, std::chrono::milliseconds pace) {
  auto server = vervet::open_connection("127.0.0.1", port, 1s);
  for (int i = 1; i <= 3; ++i) {
    server.write(name + " " + std::to_string(i) + "\n");
    std::cout << server.read_line(1s);
    vervet::sleep_for(pace);
  }
  server.write_eof();
  std::cout << name << (server.read_line().empty() ? ": the server has ended, too\n" : "?\n");
}

int main() {
  vervet::stream_server server(vervet::tcp_listener(vervet::address::loopback(0)), echo);
  server.start();
  std::uint16_t port = server.listener().local_address().port();
  auto ann = vervet::spawn(talk, port, "ann", 30ms);
  auto bob = vervet::spawn(talk, port, "bob", 200ms);
  joinall(ann, bob);
  std::cout << "all served: " << (server.stop(1s) ? "yes" : "no") << '\n';
}
