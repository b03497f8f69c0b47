// Two requests at once with callbacks, as one writes them on Python's selectors: connected,
// readable, readable … and a count of jobs. The server of the same program is fibers: it just
// waits.
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <optional>
#include <string>

#include <sys/socket.h>
#include <unistd.h>

#include <vervet/event.hpp>
#include <vervet/hub.hpp>
#include <vervet/tcp.hpp>
#include <vervet/vervet.hpp>

using namespace std::chrono_literals;
using vervet::io_watcher;

// Answers slowly, in pieces.
void serve(vervet::tcp_listener& listener) {
  for (;;) {
    vervet::spawn(
        [](vervet::tcp_socket client) {
          char request[1000];
          std::size_t size = client.read_some(request);
          std::string path(request + 4, std::string(request, size).find(' ', 4) - 4);
          auto time = path == "/foo" ? 20ms : 10ms;
          for (std::string piece : {"HTTP/1.0 200 OK\r\n\r\n", "hello ", "from "}) {
            client.write_all(piece);
            vervet::sleep_for(time);
          }
          client.write_all(path + "\n");
        },
        listener.accept());
  }
}

struct get {
  int fd;
  std::string path, answer;
  std::optional<io_watcher> watcher;

  static inline int jobs = 0;
  static inline vervet::event all_done;

  get(const vervet::address& server, std::string what)
      : fd(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)), path(std::move(what)) {
    ++jobs;
    if (connect(fd, server.data(), server.size()) != 0 && errno != EINPROGRESS)
      std::perror("connect");
    watcher.emplace(fd, io_watcher::writable, [this](unsigned) { connected(); });
  }

  void connected() {
    std::string request = "GET " + path + " HTTP/1.0\r\n\r\n";
    send(fd, request.data(), request.size(), MSG_NOSIGNAL);
    watcher.emplace(fd, io_watcher::readable, [this](unsigned) { readable(); });
  }

  void readable() {
    char chunk[1000];
    ssize_t size = recv(fd, chunk, sizeof chunk, 0);
    if (size < 0 && errno == EAGAIN) return;
    answer.append(chunk, static_cast<std::size_t>(size));
    if (size > 0) return;
    watcher.reset();
    vervet_close(fd);
    std::printf("%s: %s", path.c_str(), answer.substr(answer.find("\r\n\r\n") + 4).c_str());
    if (--jobs == 0) all_done.set();
  }
};

int main() {
  vervet::tcp_listener listener(vervet::address::loopback(0));
  auto server = vervet::spawn(serve, std::ref(listener));
  get foo(listener.local_address(), "/foo"), bar(listener.local_address(), "/bar");
  get::all_done.wait();
  server.kill();
}
