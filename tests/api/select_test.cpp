// select.hpp
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <vervet/fiber.hpp>
#include <vervet/run.hpp>
#include <vervet/select.hpp>

namespace {

using namespace std::chrono_literals;

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr int many = 300;
#else
constexpr int many = 3000;
#endif

// Asks for its end, and does not wait for it.
void kill(const vervet::fiber<>& f) { f.kill(vervet::fiber_exit(), false); }

constexpr auto ignore = [](auto&&...) {};

TEST(Select, TakesWhatIsReadyAndTellsWhich) {
  vervet::channel<int> empty, ready(1);
  ready.send(3);
  int got = 0;
  std::size_t which =
      vervet::select(vervet::receive(empty, ignore),
                     vervet::receive(ready, [&](std::optional<int> v) { got = *v; }));
  EXPECT_EQ(which, 1u);
  EXPECT_EQ(got, 3);
}

TEST(Select, SendsWhereThereIsRoom) {
  vervet::channel<std::string> full(1), room(1);
  full.send("x");
  bool sent = false;
  EXPECT_EQ(vervet::select(vervet::send(full, "a"), vervet::send(room, "b", [&] { sent = true; })),
            1u);
  EXPECT_TRUE(sent);
  EXPECT_EQ(room.receive(), "b");
  EXPECT_EQ(full.receive(), "x");
  EXPECT_EQ(full.size(), 0u);
}

TEST(Select, OtherwiseDoesNotWait) {
  vervet::channel<int> c;
  bool called = false;
  EXPECT_EQ(vervet::select(vervet::otherwise([&] { called = true; }), vervet::receive(c, ignore)),
            0u);
  EXPECT_TRUE(called);
  EXPECT_EQ(vervet::select(vervet::receive(c, ignore), vervet::send(c, 1), vervet::otherwise()),
            2u);
}

TEST(Select, AfterIsForWhenNothingElseHappensInTime) {
  vervet::channel<int> c;
  bool called = false;
  EXPECT_EQ(vervet::select(vervet::receive(c, ignore), vervet::after(10s),
                           vervet::after(1ms, [&] { called = true; })),
            2u);
  EXPECT_TRUE(called);
  EXPECT_EQ(vervet::select(vervet::after(1ms)), 0u);
  auto sender = vervet::spawn([&] { c.send(1); });
  EXPECT_EQ(vervet::select(vervet::after(10s), vervet::receive(c, ignore)), 1u);
  sender.join();
}

TEST(Select, WaitsForTheFirstThatHappens) {
  vervet::channel<int> a, b, c;
  auto sender = vervet::spawn([&] {
    vervet::yield();
    b.send(2);
  });
  EXPECT_EQ(
      vervet::select(vervet::receive(a, ignore), vervet::receive(b, ignore), vervet::send(c, 1)),
      1u);
  sender.join();
  // It has left the other queues.
  EXPECT_FALSE(a.try_send(1));
  std::optional<int> into;
  EXPECT_EQ(c.try_receive(into), vervet::channel_status::not_yet);
}

TEST(Select, AValueIsMovedFromOnlyIfItIsSent) {
  vervet::channel<std::unique_ptr<int>> a(1), b;
  auto first = std::make_unique<int>(1), second = std::make_unique<int>(2);
  EXPECT_EQ(vervet::select(vervet::send(b, std::move(second)), vervet::send(a, std::move(first))),
            1u);
  EXPECT_TRUE(first == nullptr);
  EXPECT_TRUE(second != nullptr);
}

TEST(Select, AClosedChannelCanAlwaysBeReceivedFromUnlessItIsLeftOut) {
  vervet::channel<int> closed, other(1);
  closed.close();
  bool open = true;
  EXPECT_EQ(vervet::select(
                vervet::when(open, vervet::receive(closed, [&](auto v) { open = v.has_value(); })),
                vervet::when(false, vervet::send(other, 1)), vervet::after(10s)),
            0u);
  EXPECT_FALSE(open);
  EXPECT_EQ(vervet::select(vervet::when(open, vervet::receive(closed, ignore)), vervet::after(1ms)),
            1u);
}

TEST(Select, ASendIntoAClosedChannelThrows) {
  vervet::channel<int> c, d;
  auto waits = vervet::spawn([&] {
    EXPECT_THROW(vervet::select(vervet::send(c, 1), vervet::receive(d, ignore)),
                 vervet::channel_closed);
  });
  vervet::yield();
  c.close();
  waits.join();
  EXPECT_THROW(vervet::select(vervet::send(c, 1), vervet::otherwise()), vervet::channel_closed);
}

TEST(Select, TheSameChannelMayBeInItTwiceAndNeverMeetsItself) {
  vervet::channel<int> c;
  EXPECT_EQ(vervet::select(vervet::send(c, 1), vervet::receive(c, ignore),
                           vervet::receive(c, ignore), vervet::after(1ms)),
            3u);
  auto both =
      vervet::spawn([&] { return vervet::select(vervet::send(c, 1), vervet::receive(c, ignore)); });
  vervet::yield();
  EXPECT_EQ(c.receive(), 1);
  EXPECT_EQ(both.get(), 0u);
}

TEST(Select, ReadyCasesHaveEqualChances) {
  constexpr int rounds = 3000;
  vervet::channel<int> a(1), b(1), c(1);
  std::array<int, 3> seen{};
  for (int i = 0; i < rounds; ++i) {
    a.try_send(1);
    c.try_send(1);
    if (b.size() == 1) b.receive();
    ++seen[vervet::select(vervet::receive(a, ignore), vervet::send(b, 1),
                          vervet::receive(c, ignore))];
  }
  for (int s : seen) {
    EXPECT_GT(s, rounds / 3 - 200);
    EXPECT_LT(s, rounds / 3 + 200);
  }
}

TEST(Select, AFunctionMayWaitAndThrow) {
  vervet::channel<int> c(2);
  c.send(1);
  EXPECT_THROW(vervet::select(vervet::receive(c,
                                              [&](auto) {
                                                vervet::yield();
                                                c.send(2);
                                                throw 5;
                                              })),
               int);
  EXPECT_EQ(c.receive(), 2);
}

TEST(Select, AKilledOneHasDoneNothing) {
  vervet::channel<int> a, b;
  auto victim =
      vervet::spawn([&] { vervet::select(vervet::send(a, 1), vervet::receive(b, ignore)); });
  vervet::yield();
  kill(victim);
  victim.join();
  std::optional<int> into;
  EXPECT_EQ(a.try_receive(into), vervet::channel_status::not_yet);
  EXPECT_FALSE(b.try_send(1));
}

TEST(Select, TellsOfADeadlockWhenNoCaseCanEverHappen) {
  vervet::run({.workers = 1}, [] {
    vervet::sleep_for(20ms);  // kernel threads of the start have ended: nobody else can help
    vervet::channel<int> c;
    EXPECT_THROW(vervet::select(vervet::when(false, vervet::send(c, 1))),
                 vervet::would_block_forever);
    EXPECT_THROW(vervet::select(vervet::send(c, 1), vervet::receive(c, ignore)),
                 vervet::would_block_forever);
  });
}

// Two flows, each of which sends on one of two channels and receives from the other, in opposite
// order, until they have exchanged enough: each meeting is of exactly one send and one receive.
void face_each_other(bool threads) {
  vervet::channel<int> a, b;
  auto side = [](vervet::channel<int>& out, vervet::channel<int>& in) {
    int sent = 0, received = 0;
    while (sent < many || received < many) {
      vervet::select(vervet::when(sent < many, vervet::send(
                                                   out, sent, [&] { ++sent; })),
                     vervet::when(received < many, vervet::receive(
                                                       in,
                                                       [&](auto v) {
                                                         EXPECT_EQ(*v, received);
                                                         ++received;
                                                       })));
    }
  };
  if (threads) {
    std::thread other([&] { side(a, b); });
    side(b, a);
    other.join();
  } else {
    vervet::joinall({vervet::spawn([&] { side(a, b); }), vervet::spawn([&] { side(b, a); })});
  }
}

TEST(Select, TwoThatFaceEachOtherMeet) {
  face_each_other(false);
  face_each_other(true);
  vervet::run({.workers = 2}, [] { face_each_other(false); });
}

// Everybody selects over all channels in an order of its own, sends numbers of its own and counts
// what it receives; some are killed, and replaced by who goes on where they were. Each number that
// was sent is received once.
class crowd {
 public:
  crowd(unsigned seed, std::size_t capacity) : seed_(seed) {
    for (auto& c : channels_) c = std::make_unique<vervet::channel<int>>(capacity);
  }

  // The n-th of `members`, on a fiber or thread of its own.
  void member(int n) {
    std::minstd_rand random(seed_ * 1000 + n);
    int next = n * many;
    const int end = next + many;
    while (next < end) {
      auto life = [&] { live(random, next, end); };
      if (n % 3 != 0) {
        life();
        continue;
      }
      auto victim = vervet::spawn(life);
      for (unsigned i = random() % 20; i > 0; --i) vervet::yield();
      kill(victim);
      victim.join();
    }
    // The last one to finish sending closes; until then everybody receives.
    if (++finished_ == members) close_all();
    drain();
  }

  void check() {
    int wrong = 0;
    for (auto& times : received_) wrong += times != 1;
    EXPECT_EQ(wrong, 0) << "seed " << seed_;
  }

  static constexpr int members = 6;

 private:
  void live(std::minstd_rand& random, int& next, int end) {
    while (next < end) {
      auto& x = *channels_[random() % 3];
      auto& y = *channels_[random() % 3];
      auto& z = *channels_[random() % 3];
      auto count = [&](std::optional<int> v) { ++received_.at(*v); };
      auto sent = [&] { ++next; };
      switch (random() % 4) {
        case 0:
          vervet::select(vervet::send(x, next, sent), vervet::receive(y, count),
                         vervet::receive(z, count));
          break;
        case 1:
          vervet::select(vervet::receive(x, count), vervet::send(y, next, sent),
                         vervet::after(std::chrono::microseconds(random() % 50)));
          break;
        case 2:
          if (vervet::select(vervet::send(z, next, sent), vervet::send(y, next, sent),
                             vervet::otherwise()) == 2)
            vervet::yield();
          break;
        default:
          if (x.send(next, std::chrono::microseconds(random() % 50))) ++next;
      }
    }
  }

  void drain() {
    std::array<bool, 3> open{true, true, true};
    auto take = [&](int i) {
      return vervet::receive(*channels_[i], [this, i, &open](std::optional<int> v) {
        if (v)
          ++received_.at(*v);
        else
          open[i] = false;
      });
    };
    while (open[0] || open[1] || open[2])
      vervet::select(vervet::when(open[0], take(0)), vervet::when(open[1], take(1)),
                     vervet::when(open[2], take(2)));
  }

  void close_all() {
    for (auto& c : channels_) c->close();
  }

  unsigned seed_;
  std::array<std::unique_ptr<vervet::channel<int>>, 3> channels_;
  std::vector<std::atomic<int>> received_ = std::vector<std::atomic<int>>(members * many);
  std::atomic<int> finished_{0};
};

void crowd_of_fibers(unsigned seed, std::size_t capacity) {
  crowd all(seed, capacity);
  std::vector<vervet::fiber<>> fibers;
  for (int n = 0; n < crowd::members; ++n)
    fibers.push_back(vervet::spawn([&all, n] { all.member(n); }));
  vervet::joinall(fibers);
  all.check();
}

TEST(Select, EachValueArrivesOnceBetweenFibersOfOneThread) {
  for (unsigned seed = 0; seed < 4; ++seed) crowd_of_fibers(seed, seed % 3);
}

TEST(Select, EachValueArrivesOnceBetweenWorkersInRun) {
  for (unsigned seed = 10; seed < 14; ++seed)
    vervet::run({.workers = 2}, [seed] { crowd_of_fibers(seed, seed % 3); });
}

TEST(Select, EachValueArrivesOnceBetweenHubsAndThreads) {
  for (unsigned seed = 20; seed < 23; ++seed) {
    crowd all(seed, seed % 3);
    auto hub = [&all](int first) {
      vervet::joinall({vervet::spawn([&all, first] { all.member(first); }),
                       vervet::spawn([&all, first] { all.member(first + 1); })});
    };
    std::thread one(hub, 0), two(hub, 2), plain([&all] { all.member(4); });
    all.member(5);
    for (std::thread* t : {&one, &two, &plain}) t->join();
    all.check();
  }
}

}  // namespace
