// The crawler with fibers: straight blocking code, a fiber a page, a pool of ten for the
// connections. All on one thread: nothing is locked. See crawler_threads.cpp,
// crawler_callbacks.cpp, crawler_tasks.cpp.
#include <functional>

#include <vervet/group.hpp>
#include <vervet/pool.hpp>
#include <vervet/tcp.hpp>

#include "crawler_site.hpp"

namespace {

std::string fetch(const vervet::address& site, const std::string& path) {
  auto connection = vervet::tcp_socket::connect(site);
  connection.write_all(crawler::request_for(path));
  std::string answer;
  char part[4096];
  while (std::size_t got = connection.read_some(part)) answer.append(part, got);
  return answer;
}

}  // namespace

int main() {
  crawler::site site;
  crawler::findings found;
  vervet::pool connections(crawler::connections);
  vervet::group visits;
  auto address = vervet::address::loopback(static_cast<std::uint16_t>(site.port()));

  std::function<void(std::string)> visit = [&](std::string path) {
    std::string answer = connections.apply(fetch, address, path);
    for (std::string& link : found.add(path, answer)) visits.spawn(visit, std::move(link));
  };
  visits.spawn(visit, "/0");
  visits.join({}, true);
  found.print("fibers");
}
