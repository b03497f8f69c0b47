#include <vervet/shared_mutex.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <vervet/event.hpp>
#include <vervet/vervet.hpp>

#include "cut.hpp"
#include "told.hpp"

namespace {

using namespace std::chrono_literals;

constinit vervet::shared_mutex in_static_storage;

TEST(SharedMutex, MisuseIsAnError) {
  vervet::shared_mutex m;
  EXPECT_EQ(error_of([&] { m.unlock(); }), std::errc::operation_not_permitted);
  EXPECT_EQ(error_of([&] { m.unlock_shared(); }), std::errc::operation_not_permitted);
  m.lock();
  EXPECT_EQ(error_of([&] { m.unlock_shared(); }), std::errc::operation_not_permitted);
  EXPECT_EQ(error_of([&] { m.lock(); }), std::errc::resource_deadlock_would_occur);
  EXPECT_EQ(error_of([&] { m.lock_shared(); }), std::errc::resource_deadlock_would_occur);
  auto foreign = [&] {
    EXPECT_EQ(error_of([&] { m.unlock(); }), std::errc::operation_not_permitted);
  };
  vervet::spawn(foreign).join();
  m.unlock();
  m.lock_shared();
  EXPECT_EQ(error_of([&] { m.unlock(); }), std::errc::operation_not_permitted);
  m.unlock_shared();
}

TEST(SharedMutex, ReadersShareAndAWriterIsAlone) {
  auto& m = in_static_storage;
  std::shared_lock one(m);
  std::shared_lock two(m);
  EXPECT_FALSE(m.try_lock());
  one.unlock();
  EXPECT_FALSE(m.try_lock());
  two.unlock();
  std::unique_lock alone(m);
  EXPECT_FALSE(m.try_lock());
  EXPECT_FALSE(m.try_lock_shared());
}

// Each waits in turn; who is let in says so.
TEST(SharedMutex, IsFairBetweenReadersAndWriters) {
  vervet::shared_mutex m;
  std::string order;
  vervet::event go_on;
  m.lock_shared();
  std::vector<vervet::fiber<>> all;
  for (char c : std::string("WrrWr"))
    all.push_back(vervet::spawn([&, c] {
      if (c == 'W') m.lock();
      if (c == 'r') m.lock_shared();
      order += c;
      go_on.wait();
      if (c == 'W') m.unlock();
      if (c == 'r') m.unlock_shared();
    }));
  vervet::yield();
  EXPECT_EQ(order, "");
  EXPECT_FALSE(m.try_lock_shared());  // behind the writer that waits
  m.unlock_shared();
  vervet::yield();
  EXPECT_EQ(order, "W");
  go_on.set();
  go_on.clear();
  vervet::yield();
  vervet::yield();
  EXPECT_EQ(order, "Wrr");
  go_on.set();
  vervet::joinall(all);
  EXPECT_EQ(order, "WrrWr");
  EXPECT_TRUE(m.try_lock());
  m.unlock();
}

TEST(SharedMutex, TimesOutAndIsNotHeld) {
  vervet::shared_mutex m;
  m.lock();
  vervet::spawn([&] {
    EXPECT_FALSE(m.try_lock_for(1ms));
    EXPECT_FALSE(m.try_lock_shared_for(1ms));
    EXPECT_FALSE(m.try_lock_shared_until(std::chrono::system_clock::now()));
  }).join();
  m.unlock();
  EXPECT_TRUE(m.try_lock());
  m.unlock();
}

TEST(SharedMutex, AWriterThatGivesUpLetsTheReadersBehindItIn) {
  for (bool by_kill : {false, true}) {
    vervet::shared_mutex m;
    m.lock_shared();
    auto writer = spawn_victim([&] {
      if (by_kill)
        m.lock();
      else
        EXPECT_FALSE(m.try_lock_for(2ms));
    });
    auto reader = vervet::spawn([&] { std::shared_lock shared(m); });
    vervet::yield();
    if (by_kill) kill(writer);
    EXPECT_TRUE(reader.join(5s));
    EXPECT_EQ(writer.get(), by_kill);
    m.unlock_shared();
    EXPECT_TRUE(m.try_lock());
    m.unlock();
  }
}

TEST(SharedMutex, AKilledReaderLeavesTheQueue) {
  vervet::shared_mutex m;
  m.lock();
  auto victim = spawn_victim([&] { std::shared_lock shared(m); });
  auto writer = vervet::spawn([&] { std::unique_lock alone(m); });
  vervet::yield();
  kill(victim);
  EXPECT_TRUE(victim.get());
  m.unlock();
  writer.join();
  EXPECT_TRUE(m.try_lock());
  m.unlock();
}

TEST(SharedMutex, TellsOfADeadlock) {
  vervet::shared_mutex m;
  m.lock_shared();
  EXPECT_THROW(m.lock(), vervet::would_block_forever);
  m.unlock_shared();
}

void read_and_write(vervet::shared_mutex& m, std::atomic<int>& readers, int& value, int from) {
  for (int i = from; i < from + 200; ++i) {
    if (i % 4 == 0) {
      std::unique_lock alone(m);
      EXPECT_EQ(readers, 0);
      int seen = value;
      if (i % 16 == 0) vervet::yield();
      value = seen + 1;
    } else {
      std::shared_lock shared(m);
      ++readers;
      int seen = value;
      if (i % 16 == 1) vervet::yield();
      EXPECT_EQ(value, seen);
      --readers;
    }
  }
}

TEST(SharedMutex, ExcludesFibersOfSeveralThreads) {
  vervet::shared_mutex m;
  std::atomic<int> readers{0};
  int value = 0;
  auto host = [&] {
    std::vector<vervet::fiber<>> all;
    for (int i = 0; i < 3; ++i)
      all.push_back(vervet::spawn([&, i] { read_and_write(m, readers, value, i); }));
    vervet::joinall(all);
  };
  std::thread a(host), b([&] { read_and_write(m, readers, value, 0); });
  host();
  a.join();
  b.join();
  EXPECT_EQ(value, 7 * 50);
}

TEST(SharedMutex, ExcludesFullFibers) {
  vervet::run({.workers = 2}, [] {
    vervet::shared_mutex m;
    std::atomic<int> readers{0};
    int value = 0;
    std::vector<vervet::fiber<>> all;
    for (int i = 0; i < 8; ++i)
      all.push_back(vervet::spawn([&, i] { read_and_write(m, readers, value, i); }));
    vervet::joinall(all);
    EXPECT_EQ(value, 8 * 50);
  });
}

}  // namespace
