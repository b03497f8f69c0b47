// channel.hpp. Selects are in select_test.cpp.
#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <vervet/channel.hpp>
#include <vervet/fiber.hpp>
#include <vervet/run.hpp>

namespace {

using namespace std::chrono_literals;
using vervet::channel_status;

// Asks for its end, and does not wait for it.
void kill(const vervet::fiber<>& f) { f.kill(vervet::fiber_exit(), false); }

TEST(Channel, SendingIntoAClosedOneThrows) {
  vervet::channel<int> c(1);
  EXPECT_TRUE(c.close());
  EXPECT_FALSE(c.close());
  EXPECT_TRUE(c.is_closed());
  EXPECT_THROW(c.send(1), vervet::channel_closed);
  EXPECT_THROW(c.try_send(1), vervet::channel_closed);
}

TEST(Channel, WithoutCapacityASendWaitsForItsReceive) {
  vervet::channel<int> c;
  std::string log;
  auto sender = vervet::spawn([&] {
    for (int i = 0; i < 3; ++i) {
      c.send(i);
      log += 's';
    }
  });
  EXPECT_EQ(c.capacity(), 0u);
  EXPECT_FALSE(c.try_send(7));
  vervet::yield();
  EXPECT_EQ(log, "");
  for (int i = 0; i < 3; ++i) {
    log += 'r';
    EXPECT_EQ(c.receive(), i);
    vervet::yield();
  }
  sender.join();
  EXPECT_EQ(log, "rsrsrs");
}

TEST(Channel, WithCapacitySendsWaitOnlyWhenItIsFull) {
  vervet::channel<int> c(2);
  EXPECT_TRUE(c.try_send(0));
  EXPECT_TRUE(c.send(1));
  EXPECT_EQ(c.size(), 2u);
  EXPECT_FALSE(c.try_send(2));
  auto sender = vervet::spawn([&] { c.send(2); });
  vervet::yield();
  EXPECT_FALSE(sender.has_ended());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(c.receive(), i);
  sender.join();
  std::optional<int> into = 5;
  EXPECT_EQ(c.try_receive(into), channel_status::not_yet);
  EXPECT_EQ(into, std::nullopt);
}

TEST(Channel, CarriesWhatCanOnlyBeMovedAndLeavesItIfItFails) {
  vervet::channel<std::unique_ptr<int>> c(1);
  auto item = std::make_unique<int>(1);
  EXPECT_TRUE(c.send(std::move(item)));
  item = std::make_unique<int>(2);
  EXPECT_FALSE(c.try_send(std::move(item)));
  EXPECT_FALSE(c.send(std::move(item), 1ms));
  ASSERT_TRUE(item != nullptr);
  EXPECT_EQ(**c.receive(), 1);
  vervet::channel<std::vector<std::unique_ptr<int>>> of_vectors(1);
  of_vectors.send({});
  EXPECT_TRUE(of_vectors.receive()->empty());
}

TEST(Channel, WaitersAreServedInTheOrderTheyCame) {
  vervet::channel<int> c;
  std::vector<vervet::fiber<int>> receivers;
  for (int i = 0; i < 3; ++i) receivers.push_back(vervet::spawn([&] { return *c.receive(); }));
  vervet::yield();
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(c.try_send(i));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(receivers[i].get(), i);
  std::vector<vervet::fiber<>> senders;
  for (int i = 0; i < 3; ++i) senders.push_back(vervet::spawn([&, i] { c.send(i); }));
  vervet::yield();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(c.receive(), i);
  vervet::joinall(senders);
}

TEST(Channel, ReceivesTellADeadlineFromAnEnd) {
  vervet::channel<int> c(1);
  std::optional<int> into;
  EXPECT_THROW(c.receive(1ms), vervet::timed_out);
  EXPECT_EQ(c.receive(into, 1ms), channel_status::not_yet);
  c.send(4);
  c.send(5, 1ms);
  EXPECT_EQ(c.receive(into, 1ms), channel_status::received);
  EXPECT_EQ(into, 4);
  c.close();
  EXPECT_EQ(c.receive(into, 1ms), channel_status::closed);
  EXPECT_EQ(into, std::nullopt);
  EXPECT_EQ(c.try_receive(into), channel_status::closed);
  EXPECT_EQ(c.receive(1ms), std::nullopt);
}

TEST(Channel, ACloseWakesReceiversAndLetsThemDrainIt) {
  vervet::channel<int> c(2);
  c.send(1);
  c.send(2);
  c.close();
  std::vector<int> seen;
  for (int& value : c) seen.push_back(value);
  EXPECT_EQ(seen, (std::vector{1, 2}));
  vervet::channel<int> empty;
  auto receiver = vervet::spawn([&] { return empty.receive(); });
  vervet::yield();
  empty.close();
  EXPECT_EQ(receiver.get(), std::nullopt);
}

TEST(Channel, ACloseTurnsWaitingSendersAway) {
  vervet::channel<std::unique_ptr<int>> c;
  auto sender = vervet::spawn([&] {
    auto item = std::make_unique<int>(1);
    EXPECT_THROW(c.send(std::move(item)), vervet::channel_closed);
    EXPECT_TRUE(item != nullptr);
  });
  vervet::yield();
  c.close();
  sender.join();
  EXPECT_EQ(c.receive(), std::nullopt);
}

TEST(Channel, AKilledReceiverTakesNothing) {
  vervet::channel<int> c;
  auto victim = vervet::spawn([&] { c.receive(); });
  auto heir = vervet::spawn([&] { return c.receive(); });
  vervet::yield();
  kill(victim);
  victim.join();
  c.send(5);
  EXPECT_EQ(heir.get(), 5);
}

TEST(Channel, AKilledSenderSendsNothing) {
  vervet::channel<int> c;
  auto victim = vervet::spawn([&] { c.send(1); });
  auto other = vervet::spawn([&] { c.send(2); });
  vervet::yield();
  kill(victim);
  victim.join();
  EXPECT_EQ(c.receive(), 2);
  std::optional<int> into;
  EXPECT_EQ(c.try_receive(into), channel_status::not_yet);
  other.join();
}

TEST(Channel, AValueWhoseMoveThrowsStaysWithWhoSendsIt) {
  struct fragile {
    bool* fails;
    explicit fragile(bool* f) : fails(f) {}
    fragile(const fragile& from) : fails(from.fails) {
      if (*fails) throw std::runtime_error("no copy today");
    }
  };
  bool fails = true;
  fragile value(&fails);
  vervet::channel<fragile> c;
  auto receiver = vervet::spawn([&] { return c.receive().has_value(); });
  vervet::yield();
  EXPECT_THROW(c.send(std::move(value)), std::runtime_error);
  vervet::yield();
  EXPECT_FALSE(receiver.has_ended());
  fails = false;
  c.send(std::move(value));
  EXPECT_TRUE(receiver.get());
}

TEST(Channel, MayBeDestroyedByWhoReceivesTheLastValue) {
  for (int i = 0; i < 200; ++i) {
    auto* c = new vervet::channel<int>;
    std::thread sender([c] { c->send(1); });
    EXPECT_EQ(c->receive(), 1);
    sender.join();
    delete c;
    c = new vervet::channel<int>;
    std::thread receiver([c] {
      EXPECT_EQ(c->receive(), 1);
      delete c;
    });
    c->send(1);
    receiver.join();
  }
}

TEST(Channel, TellsOfADeadlockWhenNobodyIsLeftToSend) {
  vervet::run({.workers = 2}, [] {
    vervet::sleep_for(20ms);  // kernel threads of the start have ended: nobody else can help
    vervet::channel<int> c;
    EXPECT_THROW(c.receive(), vervet::would_block_forever);
    EXPECT_THROW(c.send(1), vervet::would_block_forever);
  });
}

// The sieve of Eratosthenes, a filter a prime, as in Go's first examples.
int prime_sieve(int nth) {
  std::vector<std::unique_ptr<vervet::channel<int>>> stages;
  std::vector<vervet::fiber<>> fibers;
  stages.push_back(std::make_unique<vervet::channel<int>>());
  fibers.push_back(vervet::spawn([to = stages.back().get()] {
    for (int n = 2;; ++n) to->send(n);
  }));
  int prime = 0;
  for (int i = 0; i < nth; ++i) {
    auto* from = stages.back().get();
    prime = *from->receive();
    stages.push_back(std::make_unique<vervet::channel<int>>());
    fibers.push_back(vervet::spawn([from, to = stages.back().get(), prime] {
      for (int n : *from)
        if (n % prime != 0) to->send(n);
    }));
  }
  for (auto& f : fibers) kill(f);
  vervet::joinall(fibers);
  return prime;
}

TEST(Channel, CarriesAPipelineOfFibers) {
  EXPECT_EQ(prime_sieve(60), 281);
  EXPECT_EQ(vervet::run({.workers = 2}, [] { return prime_sieve(60); }), 281);
}

}  // namespace
