// Ten Redis clients on one thread: each waits, in hiredis' blocking calls, for an element of its
// own list. Built against vervet::patched, so that what blocks parks a fiber. Argument: the port.
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <hiredis/hiredis.h>
#include <vervet/patched.hpp>
#include <vervet/vervet.hpp>

using namespace std::chrono_literals;
using connection = std::unique_ptr<redisContext, decltype(&redisFree)>;

connection connect(int port) {
  connection c(redisConnect("127.0.0.1", port), redisFree);
  if (c == nullptr || c->err != 0) throw std::runtime_error("cannot connect to Redis");
  return c;
}

// The reply's text; of an array, that of its last element.
template <typename... Arguments>
std::string ask(connection& c, const char* format, Arguments... arguments) {
  auto* reply = static_cast<redisReply*>(redisCommand(c.get(), format, arguments...));
  if (reply == nullptr) throw std::runtime_error(c->errstr);
  const redisReply* last = reply->elements > 0 ? reply->element[reply->elements - 1] : reply;
  std::string text = last->str != nullptr ? last->str : "";
  freeReplyObject(reply);
  return text;
}

std::string await_element(int port, int list) {
  connection c = connect(port);
  return ask(c, "BLPOP list:%d 10", list);
}

int main(int argc, char** argv) {
  int port = argc > 1 ? std::atoi(argv[1]) : 6379;
  auto start = std::chrono::steady_clock::now();
  std::vector<vervet::fiber<std::string>> waiting;
  for (int i = 0; i < 10; ++i) waiting.push_back(vervet::spawn(await_element, port, i));
  auto producer = vervet::spawn([port] {
    connection c = connect(port);
    vervet::sleep_for(200ms);
    for (int i = 0; i < 10; ++i) ask(c, "RPUSH list:%d element-%d", i, i);
  });
  for (auto& one : waiting) std::cout << one.get() << '\n';
  producer.join();
  std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::cout << (took < 1s ? "all at the same time" : "one after the other") << '\n';
}
