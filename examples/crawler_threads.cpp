// The crawler with threads: ten of them, each blocking in its own calls, one lock around what they
// share. See crawler_fibers.cpp, crawler_callbacks.cpp, crawler_tasks.cpp.
#include <condition_variable>
#include <deque>
#include <mutex>

#include "crawler_site.hpp"

namespace {

std::string fetch(const crawler::site& from, const std::string& path) {
  int fd = crawler::checked(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
  crawler::checked(connect(fd, from.address(), sizeof(sockaddr_in)), "connect");
  std::string request = crawler::request_for(path), answer;
  crawler::checked(static_cast<int>(send(fd, request.data(), request.size(), 0)), "send");
  char part[4096];
  while (ssize_t got = crawler::checked(static_cast<int>(recv(fd, part, sizeof part, 0)), "recv"))
    answer.append(part, static_cast<std::size_t>(got));
  close(fd);
  return answer;
}

}  // namespace

int main() {
  crawler::site site;
  crawler::findings found;
  std::mutex lock;  // guards what follows, and found
  std::condition_variable changed;
  std::deque<std::string> todo{"/0"};
  int busy = 0;

  auto work = [&] {
    std::unique_lock guard(lock);
    for (;;) {
      changed.wait(guard, [&] { return !todo.empty() || busy == 0; });
      if (todo.empty()) return;
      std::string path = todo.front();
      todo.pop_front();
      ++busy;
      guard.unlock();
      std::string answer = fetch(site, path);
      guard.lock();
      for (std::string& link : found.add(path, answer)) todo.push_back(std::move(link));
      --busy;
      changed.notify_all();
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < crawler::connections; ++i) threads.emplace_back(work);
  for (std::thread& t : threads) t.join();
  found.print("threads");
}
