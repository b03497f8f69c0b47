// A chat server in Go's way: one fiber owns the room, all others talk to it through channels. A
// member that reads too slowly misses messages instead of holding up the rest.
#include <chrono>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include <vervet/channel.hpp>
#include <vervet/fiber.hpp>
#include <vervet/select.hpp>
#include <vervet/stream.hpp>
#include <vervet/stream_server.hpp>
#include <vervet/tcp.hpp>

using namespace std::chrono_literals;
using outbox = std::shared_ptr<vervet::channel<std::string>>;

struct member {
  std::string name;
  outbox out;
};

struct room {
  vervet::channel<member> joins;
  vervet::channel<std::string> leaves, messages;

  void run() {
    std::map<std::string, outbox> members;
    auto tell_all = [&](const std::string& text) {
      for (auto& [name, out] : members)
        vervet::select(vervet::send(*out, text), vervet::otherwise());
    };
    auto join = [&](std::optional<member> m) {
      members[m->name] = m->out;
      tell_all("* " + m->name + " is here\n");
    };
    auto leave = [&](std::optional<std::string> name) {
      members.erase(*name);
      tell_all("* " + *name + " has left\n");
    };
    auto say = [&](std::optional<std::string> text) { tell_all(*text); };
    for (;;)
      vervet::select(vervet::receive(joins, join), vervet::receive(leaves, leave),
                     vervet::receive(messages, say));
  }

  void serve(vervet::tcp_socket& client) {
    vervet::stream peer(client);
    std::string name = peer.read_line();
    if (name.empty()) return;
    name.pop_back();
    auto out = std::make_shared<vervet::channel<std::string>>(16);
    joins.send({name, out});
    auto writing = vervet::spawn([&] {
      for (const std::string& text : *out) {
        peer.write(text);
        peer.flush();
      }
    });
    for (std::string line; !(line = peer.read_line()).empty();) messages.send(name + ": " + line);
    leaves.send(name);
    out->close();
    writing.join();
  }
};

int main() {
  room lounge;
  auto owner = vervet::spawn([&] { lounge.run(); });
  vervet::stream_server server(vervet::tcp_listener(vervet::address::loopback(0)),
                               [&](vervet::tcp_socket& client) { lounge.serve(client); });
  server.start();
  auto enter = [&](std::string name) {
    vervet::stream s(vervet::tcp_socket::connect(server.listener().local_address()));
    s.write(name + "\n");
    s.flush();
    return s;
  };
  auto ann = enter("ann");
  std::cout << "ann reads " << ann.read_line(1s);
  auto bob = enter("bob");
  std::cout << "ann reads " << ann.read_line(1s) << "bob reads " << bob.read_line(1s);
  bob.write("hello\n");
  std::cout << "bob reads " << bob.read_line(1s) << "ann reads " << ann.read_line(1s);
  ann.close();
  std::cout << "bob reads " << bob.read_line(1s);
  bob.close();
  std::cout << (server.stop(1s) ? "everybody has left\n" : "?\n");
  owner.kill();
}
