// Drives an echo server with many concurrent keep-alive connections and checks every answer byte
// for byte. Every connection has one request under way at any time; each request is unique
// (unless --check-every asks for a cheaper load).
//
// It opens all connections, has one request answered on each, and prints
//   connected=N seconds=S
// then for each line "run S" on stdin loads the server for S seconds and prints
//   requests=R seconds=S requests_per_second=Q
// and closes the connections at the end of its input. With --seconds it runs once, unasked.
// Exit status 0 only if every answer was right.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <string>
#include <vector>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

namespace {

using clock_type = std::chrono::steady_clock;

struct settings {
  unsigned port = 0;
  unsigned connections = 5000;
  unsigned size = 64;
  unsigned seconds = 0;
  unsigned check_every = 1;
  unsigned patience = 30;
};

[[noreturn]] void fail(const std::string& why) {
  fprintf(stderr, "echo_load: %s\n", why.c_str());
  exit(1);
}

double seconds_since(clock_type::time_point start) {
  return std::chrono::duration<double>(clock_type::now() - start).count();
}

// Progress is for people: on a terminal only, a few times a second.
class progress {
 public:
  void show(const char* what, uint64_t done, uint64_t of) {
    if (!terminal_ || clock_type::now() < next_) return;
    next_ = clock_type::now() + std::chrono::milliseconds(200);
    fprintf(stderr, "\r\033[K%s %llu", what, static_cast<unsigned long long>(done));
    if (of) fprintf(stderr, " of %llu", static_cast<unsigned long long>(of));
  }
  void clear() {
    if (terminal_) fputs("\r\033[K", stderr);
  }

 private:
  bool terminal_ = isatty(STDERR_FILENO);
  clock_type::time_point next_;
};

struct connection {
  int fd = -1;
  uint64_t requests = 0;
  size_t sent = 0;
  size_t received = 0;
  std::vector<unsigned char> request;

  bool answered() const { return received == request.size(); }
};

class load {
 public:
  explicit load(const settings& wanted) : wanted_(wanted), connections_(wanted.connections) {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ < 0) fail(std::string("epoll_create1: ") + strerror(errno));
  }

  // Opens all connections, a batch at a time so that the server's backlog does not overflow, and
  // waits for the first answer on each: then there is a thread behind every one.
  void connect_all() {
    auto start = clock_type::now();
    size_t opened = 0;
    while (answered_ < connections_.size()) {
      while (opened < connections_.size() && opened - answered_ < connecting_at_once)
        open(opened++);
      step();
      progress_.show("connected", answered_, connections_.size());
    }
    progress_.clear();
    printf("connected=%zu seconds=%.3f\n", connections_.size(), seconds_since(start));
    fflush(stdout);
  }

  // Loads the server for `seconds`, then waits for the answers under way.
  void run(unsigned seconds) {
    auto start = clock_type::now();
    auto end = start + std::chrono::seconds(seconds);
    uint64_t before = answered_;
    repeat_ = true;
    for (connection& c : connections_) ask(c);
    while (repeat_ || under_way_ > 0) {
      step();
      repeat_ = clock_type::now() < end;
      progress_.show("requests answered", answered_ - before, 0);
    }
    progress_.clear();
    double took = seconds_since(start);
    auto requests = static_cast<unsigned long long>(answered_ - before);
    printf("requests=%llu seconds=%.3f requests_per_second=%.0f\n", requests, took,
           static_cast<double>(requests) / took);
    fflush(stdout);
  }

  void close_all() {
    for (connection& c : connections_) close(c.fd);
  }

 private:
  static constexpr size_t connecting_at_once = 256;
  // One address has some 28,000 ports to connect from.
  static constexpr size_t connections_per_address = 20000;

  size_t number_of(const connection& c) const {
    return static_cast<size_t>(&c - connections_.data());
  }

  [[noreturn]] void fail_on(const connection& c, const std::string& why) const {
    fail("connection " + std::to_string(number_of(c)) + ", request " + std::to_string(c.requests) +
         ": " + why);
  }

  void open(size_t number) {
    connection& c = connections_[number];
    c.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c.fd < 0) fail_on(c, std::string("socket: ") + strerror(errno));
    int on = 1;
    setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(c.fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);

    sockaddr_in from{}, to{};
    from.sin_family = to.sin_family = AF_INET;
    auto host = static_cast<in_addr_t>(number / connections_per_address);
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + host);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(static_cast<uint16_t>(wanted_.port));
    if (bind(c.fd, reinterpret_cast<sockaddr*>(&from), sizeof from) != 0)
      fail_on(c, std::string("bind: ") + strerror(errno));
    if (connect(c.fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0 && errno != EINPROGRESS)
      fail_on(c, std::string("connect: ") + strerror(errno));

    compose(c);
    ++under_way_;
    epoll_event interest{};
    interest.events = EPOLLIN | EPOLLOUT | EPOLLET;
    interest.data.u64 = number;
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, c.fd, &interest) != 0)
      fail_on(c, std::string("epoll_ctl: ") + strerror(errno));
  }

  // The next request: the connection's number and the request's, then bytes made from both.
  void compose(connection& c) {
    uint64_t seed[2] = {number_of(c), ++c.requests};
    uint64_t state = seed[0] * 0x9e3779b97f4a7c15u + seed[1];
    c.request.resize(wanted_.size);
    c.sent = c.received = 0;
    for (size_t at = 0; at < c.request.size(); at += sizeof state) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      uint64_t word = at < sizeof seed ? seed[at / sizeof state] : state ^ (state >> 29);
      memcpy(&c.request[at], &word, std::min(sizeof word, c.request.size() - at));
    }
  }

  // Of an answer that is not checked only the length counts: the kernel drops its bytes.
  bool checked(const connection& c) const { return c.requests % wanted_.check_every == 0; }

  void ask(connection& c) {
    if ((c.requests + 1) % wanted_.check_every == 0) {
      compose(c);
    } else {
      ++c.requests;
      c.sent = c.received = 0;
    }
    ++under_way_;
    send_rest(c);
  }

  void send_rest(connection& c) {
    while (c.sent < c.request.size()) {
      ssize_t size = send(c.fd, &c.request[c.sent], c.request.size() - c.sent, MSG_NOSIGNAL);
      if (size < 0 && errno == EAGAIN) return;
      if (size < 0) fail_on(c, std::string("send: ") + strerror(errno));
      c.sent += static_cast<size_t>(size);
    }
  }

  // Takes what has come, and answers the last byte of an answer with the next request.
  void receive(connection& c) {
    unsigned char buffer[65536];
    for (;;) {
      bool bytes_matter = checked(c);
      ssize_t size = bytes_matter ? recv(c.fd, buffer, sizeof buffer, 0)
                                  : recv(c.fd, nullptr, c.request.size(), MSG_TRUNC);
      if (size < 0 && errno == EAGAIN) return;
      if (size < 0) fail_on(c, std::string("recv: ") + strerror(errno));
      if (size == 0) fail_on(c, "the server closed the connection");
      check(c, bytes_matter ? buffer : nullptr, static_cast<size_t>(size));
      if (!c.answered()) continue;
      ++answered_;
      --under_way_;
      if (!repeat_) return;
      ask(c);
      // A short read emptied the socket; the answer to come brings an event of its own.
      if (static_cast<size_t>(size) < sizeof buffer) return;
    }
  }

  void check(connection& c, const unsigned char* bytes, size_t size) {
    if (c.received + size > c.sent) fail_on(c, "more came back than was sent");
    if (bytes != nullptr && memcmp(&c.request[c.received], bytes, size) != 0) fail_on(c, "wrong bytes came back");
    c.received += size;
  }

  void step() {
    epoll_event events[512];
    int count = epoll_wait(epoll_, events, 512, static_cast<int>(wanted_.patience) * 1000);
    if (count < 0 && errno != EINTR) fail(std::string("epoll_wait: ") + strerror(errno));
    if (count == 0)
      fail("no answer for " + std::to_string(wanted_.patience) + " s; " +
           std::to_string(under_way_) + " requests under way");
    for (int i = 0; i < count; ++i) {
      connection& c = connections_[events[i].data.u64];
      if (events[i].events & EPOLLOUT) send_rest(c);
      if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive(c);
    }
  }

  settings wanted_;
  std::vector<connection> connections_;
  progress progress_;
  int epoll_ = -1;
  uint64_t answered_ = 0;
  uint64_t under_way_ = 0;
  bool repeat_ = false;
};

void allow_descriptors(unsigned connections) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  rlim_t needed = connections + 16;
  if (limit.rlim_cur >= needed) return;
  limit.rlim_cur = std::min(std::max(limit.rlim_cur, needed), limit.rlim_max);
  setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < needed)
    fail(std::to_string(connections) + " connections need " + std::to_string(needed) +
         " descriptors; ulimit -n permits " + std::to_string(limit.rlim_max));
}

void obey_stdin(load& driver) {
  std::string command;
  while (std::getline(std::cin, command)) {
    unsigned seconds = 0;
    if (sscanf(command.c_str(), "run %u", &seconds) != 1 || seconds < 1 || seconds > 3600)
      fail("'" + command + "' is not 'run' and a number of seconds from 1 to 3600");
    driver.run(seconds);
  }
}

}  // namespace

int main(int argc, char** argv) {
  settings wanted;
  CLI::App app("Loads an echo server on this machine and checks every answer.", "echo_load");
  app.option_defaults()->always_capture_default();
  app.add_option("--connections", wanted.connections, "kept open at the same time")
      ->check(CLI::Range(1, 1000000));
  app.add_option("--size", wanted.size, "bytes a request")->check(CLI::Range(16, 1048576));
  app.add_option("--check-every", wanted.check_every,
                 "compare the bytes of each N-th answer, of the others the length: a cheaper load")
      ->check(CLI::Range(1, 1000000));
  app.add_option("--patience", wanted.patience, "seconds to wait for any answer")
      ->check(CLI::Range(1, 3600));
  app.option_defaults()->always_capture_default(false);
  app.add_option("--seconds", wanted.seconds, "load once for so long; else obey stdin")
      ->check(CLI::Range(1, 3600));
  app.add_option("port", wanted.port, "port of the server")
      ->required()
      ->check(CLI::Range(1, 65535));
  CLI11_PARSE(app, argc, argv);

  allow_descriptors(wanted.connections);
  load driver(wanted);
  driver.connect_all();
  if (wanted.seconds) {
    driver.run(wanted.seconds);
  } else {
    obey_stdin(driver);
  }
  driver.close_all();
}
