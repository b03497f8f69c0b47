// dns::resolve, and open_connection.
#include <gtest/gtest.h>

#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <vervet/dns.hpp>
#include <vervet/fiber.hpp>
#include <vervet/run.hpp>

namespace {

using namespace std::chrono_literals;
using vervet::address;
namespace dns = vervet::dns;

// The default pool's threads, all busy until this dies.
struct busy_pool {
  struct job : vervet_job {
    vervet::event* go;
  };
  vervet::event go;
  std::vector<job> jobs = std::vector<job>(4 * 256);
  std::size_t submitted = 0;

  busy_pool() {
    for (job& j : jobs) {
      j.go = &go;
      j.run = [](vervet_job* self) { static_cast<job*>(self)->go->wait(); };
      if (vervet_thread_pool_submit(nullptr, &j, vervet_after(0)) != 0) break;
      ++submitted;
    }
  }
  ~busy_pool() {
    go.set();
    vervet_thread_pool_join(nullptr, VERVET_NEVER);
  }
};

TEST(Dns, AnUnknownNameIsAnErrorOfItsOwnCategory) {
  try {
    dns::resolve("no.such.name.invalid", "80", {}, 20s);
    FAIL();
  } catch (const std::system_error& error) {
    EXPECT_EQ(&error.code().category(), &dns::category());
    EXPECT_NE(std::string(error.what()).find("no.such.name.invalid"), std::string::npos);
  }
  EXPECT_THROW(dns::resolve("name", "80", {.flags = AI_NUMERICHOST}), std::system_error);
  EXPECT_THROW(dns::resolve("", ""), std::system_error);
}

TEST(Dns, NumbersAreAnsweredAtOnce) {
  bool ran = false;
  auto other = vervet::spawn([&] { ran = true; });
  EXPECT_EQ(dns::resolve("127.0.0.1", 80), std::vector{address::loopback(80)});
  EXPECT_EQ(dns::resolve("::1", "81").front(), address("::1", 81));
  EXPECT_FALSE(ran);
}

TEST(Dns, NamesAreAskedForWhileOthersRun) {
  bool ran = false;
  auto other = vervet::spawn([&] { ran = true; });
  std::vector<address> found;
  // An answer may be there before its asker has begun to wait.
  for (int i = 0; i < 1000 && !ran; ++i)
    found = dns::resolve("localhost", "80", {.family = AF_INET});
  EXPECT_TRUE(ran);
  EXPECT_EQ(found, std::vector{address::loopback(80)});
}

TEST(Dns, TimesOutWhenNoThreadIsFree) {
  busy_pool busy;
  EXPECT_THROW(dns::resolve("localhost", 80, {}, 5ms), vervet::timed_out);
}

TEST(Dns, AKilledFiberDoesNotWaitForTheAnswer) {
  busy_pool busy;
  auto asking = vervet::spawn([] { dns::resolve("localhost", 80); });
  vervet::yield();
  EXPECT_TRUE(asking.kill(1s));
  EXPECT_TRUE(asking.cancelled());
}

TEST(Dns, WorksInAnyThreadAndInsideRun) {
  std::thread([] { EXPECT_FALSE(dns::resolve("localhost", 80).empty()); }).join();
  vervet::run({.workers = 2}, [] {
    std::vector<vervet::fiber<bool>> all;
    for (int i = 0; i < 20; ++i)
      all.push_back(vervet::spawn([] { return !dns::resolve("localhost", 80).empty(); }));
    for (auto& one : all) EXPECT_TRUE(one.get());
  });
}

}  // namespace
