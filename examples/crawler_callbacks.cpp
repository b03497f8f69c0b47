// The crawler with callbacks: a state machine a connection, watchers that drive it, and a count of
// those that run. See crawler_fibers.cpp, crawler_tasks.cpp, crawler_threads.cpp.
#include <cerrno>
#include <deque>
#include <memory>
#include <optional>

#include <vervet/event.hpp>
#include <vervet/hub.hpp>

#include "crawler_site.hpp"

namespace {

using vervet::io_watcher;

class crawl {
 public:
  crawl(const crawler::site& site, crawler::findings& found) : site_(site), found_(found) {
    fill();
  }
  void wait() { done_.wait(); }

 private:
  // Connects, then asks, then listens.
  struct fetch {
    crawl& of;
    std::string path, answer;
    int fd =
        crawler::checked(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket");
    std::optional<io_watcher> watcher;

    fetch(crawl& owner, std::string what) : of(owner), path(std::move(what)) {
      int error = connect(fd, of.site_.address(), sizeof(sockaddr_in));
      if (error != 0 && errno != EINPROGRESS) crawler::checked(error, "connect");
      watcher.emplace(fd, io_watcher::writable, [this](unsigned) { connected(); });
    }
    ~fetch() {
      watcher.reset();
      close(fd);
    }

    void connected() {
      std::string request = crawler::request_for(path);
      crawler::checked(static_cast<int>(send(fd, request.data(), request.size(), 0)), "send");
      watcher.reset();
      watcher.emplace(fd, io_watcher::readable, [this](unsigned) { arrived(); });
    }

    void arrived() {
      char part[4096];
      ssize_t got = recv(fd, part, sizeof part, 0);
      if (got < 0 && errno == EAGAIN) return;
      crawler::checked(static_cast<int>(got), "recv");
      answer.append(part, static_cast<std::size_t>(got));
      if (got == 0) of.ended(*this);
    }
  };

  // Starts fetches while there is room.
  void fill() {
    while (!todo_.empty() && running_.size() < crawler::connections) {
      auto next = std::make_unique<fetch>(*this, todo_.front());
      todo_.pop_front();
      running_.emplace(next->fd, std::move(next));
    }
    if (running_.empty()) done_.set();
  }

  void ended(fetch& f) {
    for (std::string& link : found_.add(f.path, f.answer)) todo_.push_back(std::move(link));
    running_.erase(f.fd);
    fill();
  }

  const crawler::site& site_;
  crawler::findings& found_;
  std::deque<std::string> todo_{"/0"};
  std::map<int, std::unique_ptr<fetch>> running_;
  vervet::event done_;
};

}  // namespace

int main() {
  crawler::site site;
  crawler::findings found;
  crawl(site, found).wait();
  found.print("callbacks");
}
