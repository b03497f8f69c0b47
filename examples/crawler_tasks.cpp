// The crawler with tasks: stackless coroutines that read like fibers, but every function that waits
// says co_await. See crawler_fibers.cpp, crawler_callbacks.cpp, crawler_threads.cpp.
#include <cerrno>

#include <vervet/semaphore.hpp>
#include <vervet/task.hpp>

#include "crawler_site.hpp"

namespace {

using vervet::task;

struct crawl {
  const crawler::site& site;
  crawler::findings& found;
  vervet::semaphore connections{crawler::connections};

  task<std::string> fetch(std::string path) {
    co_await vervet::acquire(connections);
    int fd =
        crawler::checked(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket");
    int error = connect(fd, site.address(), sizeof(sockaddr_in));
    if (error != 0 && errno != EINPROGRESS) crawler::checked(error, "connect");
    co_await vervet::writable(fd);
    co_await vervet::async_write(fd, crawler::request_for(path));
    std::string answer;
    char part[4096];
    while (std::size_t got = co_await vervet::async_read(fd, part)) answer.append(part, got);
    vervet_close(fd);
    connections.release();
    co_return answer;
  }

  task<> visit(std::string path) {
    std::string answer = co_await fetch(path);
    std::vector<task<>> visits;
    for (std::string& link : found.add(path, answer)) visits.push_back(visit(std::move(link)));
    co_await vervet::when_all(std::move(visits));
  }
};

}  // namespace

int main() {
  crawler::site site;
  crawler::findings found;
  crawl from{site, found};
  vervet::start(from.visit("/0")).get();
  found.print("tasks");
}
