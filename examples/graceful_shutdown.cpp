// SIGTERM stops a server gracefully: no new connections, those that are served may finish within a
// second, then the rest is killed. The example sends the signal to itself.
#include <chrono>
#include <csignal>
#include <iostream>
#include <string>

#include <unistd.h>

#include <vervet/fiber.hpp>
#include <vervet/signal.hpp>
#include <vervet/stream.hpp>
#include <vervet/stream_server.hpp>
#include <vervet/tcp.hpp>

using namespace std::chrono_literals;

void work(vervet::tcp_socket& client) {
  vervet::stream peer(client);
  try {
    std::string job = peer.read_line();
    vervet::sleep_for(job == "long\n" ? 1h : 50ms);
    peer.write("done: " + job);
    peer.flush();
  } catch (const vervet::cut_short&) {
    client.write_all("sorry, closing down\n", 0s);
    throw;  // a killed fiber ends
  }
}

std::string ask(vervet::address server, std::string job) {
  vervet::stream peer(vervet::tcp_socket::connect(server));
  peer.write(job + "\n");
  return peer.read_line();
}

int main() {
  vervet::stream_server server(vervet::tcp_listener(vervet::address::loopback(0)), work);
  vervet::address where = server.listener().local_address();
  bool all_finished = true;
  vervet::signal_watcher term(SIGTERM, [&](int) {
    std::cout << "SIGTERM with " << server.connections() << " connections\n";
    all_finished = server.stop(300ms);
  });

  auto quick = vervet::spawn(ask, where, "short");
  auto slow = vervet::spawn(ask, where, "long");
  auto operating = vervet::spawn([] {
    vervet::sleep_for(20ms);
    kill(getpid(), SIGTERM);
  });

  server.serve_forever();
  std::cout << "short job: " << quick.get() << "long job: " << slow.get()
            << (all_finished ? "all finished" : "some were killed") << '\n';
}
