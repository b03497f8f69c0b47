// The site that the four crawlers go through, and what they have in common. The server knows
// nothing of vervet: plain sockets, a thread a connection. Each page takes it 10 ms.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace crawler {

using clock = std::chrono::steady_clock;
constexpr int pages = 100;
constexpr int connections = 10;  // a polite crawler's

inline int checked(int result, const char* what) {
  if (result >= 0) return result;
  std::perror(what);
  std::exit(1);
}

class site {
 public:
  site() {
    socklen_t size = sizeof address_;
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    checked(bind(listener_, address(), size), "bind");
    checked(listen(listener_, 64), "listen");
    checked(getsockname(listener_, reinterpret_cast<sockaddr*>(&address_), &size), "getsockname");
    server_ = std::thread([this] { serve(); });
  }
  ~site() {
    shutdown(listener_, SHUT_RDWR);
    server_.join();
    close(listener_);
  }

  const sockaddr* address() const { return reinterpret_cast<const sockaddr*>(&address_); }
  int port() const { return ntohs(address_.sin_port); }

 private:
  // Every page links to two below it and to one elsewhere.
  static std::string page(const std::string& path) {
    int n = std::atoi(path.c_str() + 1);
    std::string body = "<h1>page " + path + "</h1>" + std::string(n * 37 % 500, '.');
    for (int to : {2 * n + 1, 2 * n + 2, n * 7 % pages})
      if (to < pages) body += "<a href=\"/" + std::to_string(to) + "\">more</a>";
    return "HTTP/1.0 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }

  void serve() {
    std::vector<std::jthread> connections;
    for (int fd; (fd = accept(listener_, nullptr, nullptr)) >= 0;)  // until shut down
      connections.emplace_back([fd] {
        char request[512];
        ssize_t got = recv(fd, request, sizeof request, 0);
        std::string line(request, static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
        std::string path = line.substr(std::min(line.size(), line.find('/')));
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
        std::string answer = page(path.empty() ? "/0" : path.substr(0, path.find(' ')));
        send(fd, answer.data(), answer.size(), MSG_NOSIGNAL);
        close(fd);
      });
  }

  int listener_ = checked(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
  sockaddr_in address_{};
  std::thread server_;
};

inline std::string request_for(const std::string& path) {
  return "GET " + path + " HTTP/1.0\r\n\r\n";
}

// What was found. One flow at a time.
class findings {
 public:
  // Takes a page in; returns the links that were not seen before.
  std::vector<std::string> add(const std::string& path, const std::string& answer) {
    std::string body = answer.substr(answer.find("\r\n\r\n") + 4);
    sizes_[path] = body.size();
    std::vector<std::string> fresh;
    constexpr std::string_view mark = "href=\"";
    for (std::size_t at = 0; (at = body.find(mark, at)) != body.npos;) {
      at += mark.size();
      std::string link = body.substr(at, body.find('"', at) - at);
      if (seen_.insert(link).second) fresh.push_back(link);
    }
    return fresh;
  }

  void print(const char* style) const {
    for (auto& [path, size] : sizes_) std::printf("%s %zu\n", path.c_str(), size);
    auto took = std::chrono::duration<double, std::milli>(clock::now() - start_).count();
    std::fprintf(stderr, "%s: %zu pages in %.0f ms\n", style, sizes_.size(), took);
  }

 private:
  std::set<std::string> seen_{"/0"};
  std::map<std::string, std::size_t> sizes_;
  clock::time_point start_ = clock::now();
};

}  // namespace crawler
