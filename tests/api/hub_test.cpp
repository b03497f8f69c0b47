// What other threads give to a hub, and watchers.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vervet/hub.hpp>
#include <vervet/vervet.hpp>

namespace {

using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;

// A pair of connected, non-blocking sockets.
struct socket_pair {
  int ends[2];
  socket_pair() {
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) std::abort();
  }
  ~socket_pair() {
    for (int& end : ends) close(end);
  }
  void close(int& end) {
    if (end >= 0) vervet_close(end);
    end = -1;
  }
};

// Runs the calling thread's hub until `done` holds; false after five seconds.
template <typename Condition>
bool run_until(Condition done) {
  auto give_up = clock_type::now() + 5s;
  while (!done() && clock_type::now() < give_up) vervet::sleep_for(1ms);
  return done();
}

// A hub whose thread has ended.
vervet::hub ended_hub() {
  vervet::hub gone;
  std::thread([&] { gone = vervet::hub::here(); }).join();
  return gone;
}

template <typename F>
std::errc error_of(F&& f) {
  try {
    f();
  } catch (const std::system_error& error) {
    return static_cast<std::errc>(error.code().value());
  }
  return std::errc();
}

TEST(Hub, WhatIsGivenToAThreadThatHasEndedThrows) {
  vervet::hub gone = ended_hub();
  auto dropped = std::make_shared<int>();
  EXPECT_EQ(error_of([&] { gone.post([dropped] {}); }), std::errc::no_such_process);
  EXPECT_EQ(error_of([&] { gone.spawn([dropped] {}); }), std::errc::no_such_process);
  EXPECT_EQ(dropped.use_count(), 1);
}

TEST(Hub, HandlesAreCopiesOfOne) {
  vervet::hub none;
  EXPECT_FALSE(none);
  vervet::hub here = vervet::hub::here();
  EXPECT_TRUE(here);
  EXPECT_EQ(here, vervet::hub::here());
  EXPECT_NE(here, none);
  vervet::hub moved = std::move(here);
  EXPECT_EQ(moved, vervet::hub::here());
  std::thread([&] { EXPECT_NE(moved, vervet::hub::here()); }).join();
}

TEST(Hub, PostedFunctionsBeginInTheirOrderOnTheHubsThread) {
  vervet::hub home = vervet::hub::here();
  std::thread::id here = std::this_thread::get_id();
  std::vector<int> order;
  std::thread other([&] {
    for (int i = 0; i < 1000; ++i)
      home.post([&order, here, i] {
        if (std::this_thread::get_id() == here) order.push_back(i);
      });
  });
  ASSERT_TRUE(run_until([&] { return order.size() == 1000; }));
  other.join();
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(order[i], i);
}

TEST(Hub, APostedFunctionDoesNotRunBeforeItsThreadWaits) {
  bool ran = false;
  vervet::hub::here().post([&] { ran = true; });
  EXPECT_FALSE(ran);
  ASSERT_TRUE(run_until([&] { return ran; }));
}

TEST(Hub, APostWakesAThreadThatSleeps) {
  vervet::hub home = vervet::hub::here();
  vervet::fiber<> sleeper = vervet::spawn([] { vervet::sleep_for(10s); });
  std::thread other([=] { home.post([sleeper] { sleeper.kill(std::exception_ptr(), false); }); });
  auto start = clock_type::now();
  sleeper.join();
  EXPECT_LT(clock_type::now() - start, 5s);
  other.join();
}

TEST(Hub, AWaitingPostedFunctionDelaysNoOther) {
  vervet::hub home = vervet::hub::here();
  std::string order;
  home.post([&] {
    order += "a";
    vervet::sleep_for(30ms);
    order += "A";
  });
  home.post([&] {
    order += "b";
    vervet::sleep_for(10ms);
    order += "B";
  });
  home.post([&] { order += "c"; });
  ASSERT_TRUE(run_until([&] { return order.size() == 5; }));
  EXPECT_EQ(order, "abcBA");
}

TEST(Hub, PostedFunctionsThatPostThemselvesLeaveOthersTheirTurn) {
  vervet::hub home = vervet::hub::here();
  bool stop = false;
  int turns = 0;
  struct again {
    vervet::hub home;
    bool& stop;
    int& turns;
    void operator()() const {
      if (!stop && ++turns < 1'000'000) home.post(*this);
    }
  };
  home.post(again{home, stop, turns});
  vervet::spawn([&] {
    for (int i = 0; i < 10; ++i) vervet::yield();
    vervet::sleep_for(1ms);
    stop = true;
  }).join();
  EXPECT_GT(turns, 5);
  EXPECT_LT(turns, 1'000'000);
  vervet::sleep_for(1ms);  // the last one
}

TEST(Hub, WhatAPostedFunctionThrowsIsReported) {
  testing::internal::CaptureStderr();
  bool next = false;
  vervet::hub::here().post([] { throw std::runtime_error("lost"); });
  vervet::hub::here().post([&] { next = true; });
  ASSERT_TRUE(run_until([&] { return next; }));
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "vervet: a posted function ended with an uncaught exception: lost\n");
}

TEST(Hub, AnotherThreadSpawnsAndGetsTheResult) {
  vervet::hub home = vervet::hub::here();
  std::thread::id here = std::this_thread::get_id();
  bool done = false;
  int value = 0;
  std::string thrown;
  std::thread other([&] {
    value = home.spawn(
                    {.name = "adder"},
                    [&](int a, int b) {
                      EXPECT_EQ(std::this_thread::get_id(), here);
                      vervet::sleep_for(2ms);
                      return a + b;
                    },
                    1, 2)
                .get();
    try {
      home.spawn([] {
            vervet::sleep_for(5ms);
            throw std::runtime_error("there");
          })
          .get();
    } catch (const std::runtime_error& error) {
      thrown = error.what();
    }
    home.post([&] { done = true; });
  });
  ASSERT_TRUE(run_until([&] { return done; }));
  other.join();
  EXPECT_EQ(value, 3);
  EXPECT_EQ(thrown, "there");
}

TEST(Hub, WhatIsSpawnedFromAnotherThreadCanBeKilledByIt) {
  vervet::hub home = vervet::hub::here();
  bool ended = false;
  bool killed = false;
  std::thread other([&] {
    auto f = home.spawn([] { vervet::sleep_for(10s); });
    EXPECT_FALSE(f.join(1ms));
    killed = f.kill();
    EXPECT_TRUE(f.cancelled());
    home.post([&] { ended = true; });
  });
  ASSERT_TRUE(run_until([&] { return ended; }));
  other.join();
  EXPECT_TRUE(killed);
}

// A destructor that runs after the hub's end waits, and must not have the hub's last fiber run.
TEST(Hub, WhatIsSpawnedWhileItsThreadEndsNeverBegins) {
  auto alive = [] {
    vervet_stats stats{};
    stats.size = sizeof stats;
    vervet_get_stats(&stats);
    return stats.fibers_alive;
  };
  uint64_t alive_before = alive();
  bool ran = false;
  vervet::fiber<> late;
  std::thread([&] {
    struct waits_at_the_end {
      bool made = false;
      ~waits_at_the_end() { vervet::yield(); }
    };
    static thread_local waits_at_the_end outlives_the_hub;
    outlives_the_hub.made = true;
    vervet::hub here = vervet::hub::here();
    std::thread([&] { late = here.spawn([&] { ran = true; }); }).join();
  }).join();
  EXPECT_THROW(late.join(), std::system_error);
  EXPECT_FALSE(ran);
  EXPECT_EQ(alive(), alive_before) << "although that hub has spawned nothing itself";
}

TEST(Hub, HostedByFullFibersTakesPostsToo) {
  int sum = vervet::run({.workers = 2}, [] {
    vervet::hub home = vervet::hub::here();
    int total = 0;
    auto other = vervet::spawn([&, home] {
      for (int i = 0; i < 100; ++i) home.post([&] { ++total; });
      return home
          .spawn([&] {
            while (total < 100) vervet::yield();
            return total;
          })
          .get();
    });
    int seen = other.get();
    return seen + total;
  });
  EXPECT_EQ(sum, 200);
}

TEST(IoWatcher, OfABadDescriptorThrows) {
  EXPECT_EQ(
      error_of([] { vervet::io_watcher w(-1, vervet::io_watcher::readable, [](unsigned) {}); }),
      std::errc::bad_file_descriptor);
}

TEST(IoWatcher, UsedOnAnotherThreadThrows) {
  socket_pair pair;
  vervet::io_watcher w(pair.ends[0], vervet::io_watcher::readable, [](unsigned) {});
  std::thread([&] { EXPECT_THROW(w.stop(), std::logic_error); }).join();
  EXPECT_TRUE(w.active());
}

TEST(IoWatcher, CallsBackAsLongAsSomethingIsLeftToRead) {
  socket_pair pair;
  std::string got;
  vervet::io_watcher w(pair.ends[0], vervet::io_watcher::readable, [&](unsigned events) {
    EXPECT_EQ(events, vervet::io_watcher::readable);
    char c;
    if (read(pair.ends[0], &c, 1) == 1) got += c;
  });
  ASSERT_EQ(write(pair.ends[1], "abc", 3), 3);
  ASSERT_TRUE(run_until([&] { return got == "abc"; }));
  ASSERT_EQ(write(pair.ends[1], "d", 1), 1);
  ASSERT_TRUE(run_until([&] { return got == "abcd"; }));
  w.stop();
  EXPECT_FALSE(w.active());
  ASSERT_EQ(write(pair.ends[1], "e", 1), 1);
  vervet::sleep_for(5ms);
  EXPECT_EQ(got, "abcd");
  w.start();
  ASSERT_TRUE(run_until([&] { return got == "abcde"; }));
}

TEST(IoWatcher, TellsWritable) {
  socket_pair pair;
  unsigned seen = 0;
  std::optional<vervet::io_watcher> w;
  w.emplace(pair.ends[0], vervet::io_watcher::writable, [&](unsigned events) {
    seen = events;
    w.reset();  // in its own callback
  });
  ASSERT_TRUE(run_until([&] { return seen != 0; }));
  EXPECT_EQ(seen, vervet::io_watcher::writable);
  EXPECT_FALSE(w);
}

TEST(IoWatcher, ItsCallbackMayWaitAndIsNotCalledMeanwhile) {
  socket_pair pair;
  int inside = 0, most = 0, calls = 0;
  vervet::io_watcher w(pair.ends[0], vervet::io_watcher::readable, [&](unsigned) {
    most = std::max(most, ++inside);
    vervet::sleep_for(3ms);
    --inside;
    ++calls;
  });
  ASSERT_EQ(write(pair.ends[1], "a", 1), 1);
  ASSERT_TRUE(run_until([&] { return calls >= 3; }));
  w.stop();
  ASSERT_TRUE(run_until([&] { return inside == 0; }));
  EXPECT_EQ(most, 1);
}

TEST(IoWatcher, IsOffOnceItsDescriptorWasClosed) {
  socket_pair pair;
  int calls = 0;
  vervet::io_watcher w(pair.ends[0], vervet::io_watcher::readable, [&](unsigned) { ++calls; });
  vervet::yield();
  pair.close(pair.ends[0]);
  ASSERT_TRUE(run_until([&] { return !w.active(); }));
  EXPECT_EQ(calls, 1);
}

TEST(IoWatcher, MayEndWhileItsCallbackWaits) {
  socket_pair pair;
  auto kept = std::make_shared<int>(0);
  {
    vervet::io_watcher w(pair.ends[0], vervet::io_watcher::readable, [kept](unsigned) {
      ++*kept;
      vervet::sleep_for(5ms);
      ++*kept;
    });
    ASSERT_EQ(write(pair.ends[1], "a", 1), 1);
    ASSERT_TRUE(run_until([&] { return *kept == 1; }));
  }
  EXPECT_EQ(kept.use_count(), 2);
  ASSERT_TRUE(run_until([&] { return kept.use_count() == 1; }));
  EXPECT_EQ(*kept, 2);
}

TEST(Timer, CallsBackOnceAtItsTime) {
  auto start = clock_type::now();
  clock_type::time_point at;
  int calls = 0;
  vervet::timer t(10ms, [&] {
    at = clock_type::now();
    ++calls;
  });
  EXPECT_TRUE(t.active());
  ASSERT_TRUE(run_until([&] { return calls == 1; }));
  EXPECT_GE(at - start, 10ms);
  EXPECT_FALSE(t.active());
  vervet::sleep_for(15ms);
  EXPECT_EQ(calls, 1);
  t.start(1ms);
  ASSERT_TRUE(run_until([&] { return calls == 2; }));
}

TEST(Timer, ItsCallbackMayStartItForTheSameTimeAgain) {
  const clock_type::time_point at = clock_type::now();
  int calls = 0;
  std::optional<vervet::timer> t;
  t.emplace(at, [&] {
    if (++calls < 3) t->start(at);
  });
  ASSERT_TRUE(run_until([&] { return calls == 3; }));
  EXPECT_FALSE(t->active());
}

TEST(Timer, WithAnIntervalGoesOnUntilItIsStopped) {
  int calls = 0;
  auto start = clock_type::now();
  std::optional<vervet::timer> t;
  t.emplace(
      5ms,
      [&] {
        if (++calls == 4) t->stop();
      },
      5ms);
  ASSERT_TRUE(run_until([&] { return calls == 4; }));
  EXPECT_GE(clock_type::now() - start, 20ms);
  vervet::sleep_for(15ms);
  EXPECT_EQ(calls, 4);
}

TEST(Timer, AnIntervalBeyondTheClockIsNone) {
  int calls = 0;
  vervet::timer t(
      0ms, [&] { ++calls; }, std::chrono::nanoseconds::max());
  ASSERT_TRUE(run_until([&] { return calls != 0; }));
  vervet::sleep_for(2ms);
  EXPECT_EQ(calls, 1);
  EXPECT_FALSE(t.active());
}

TEST(Timer, AStoppedOneDoesNotCallBack) {
  int calls = 0;
  vervet::timer early(1ms, [&] { ++calls; });
  early.stop();
  {
    vervet::timer dead(1ms, [&] { ++calls; });
  }
  // Due at the same moment: the first one's callback stops the second.
  std::optional<vervet::timer> second;
  auto at = clock_type::now() + 2ms;
  vervet::timer first(at, [&] { second->stop(); });
  second.emplace(at + 1ns, [&] { ++calls; });
  vervet::sleep_for(10ms);
  EXPECT_EQ(calls, 0);
}

TEST(Timer, AWaitingCallbackDelaysNoOther) {
  std::string order;
  auto at = clock_type::now() + 2ms;
  vervet::timer a(at, [&] {
    order += "a";
    vervet::sleep_for(20ms);
    order += "A";
  });
  vervet::timer b(at + 1ns, [&] { order += "b"; });
  vervet::timer c(at + 2ns, [&] { order += "c"; });
  ASSERT_TRUE(run_until([&] { return order.size() == 4; }));
  EXPECT_EQ(order, "abcA");
}

TEST(Timer, AWaitUnderATimerIsNoDeadlock) {
  // Nothing else could end this join.
  std::optional<vervet::fiber<>> waits = vervet::spawn([] { vervet::sleep_for(10s); });
  vervet::timer t(5ms, [&] { waits->kill(std::exception_ptr(), false); });
  EXPECT_NO_THROW(waits->join());
}

TEST(AsyncWatcher, SeveralSendsAreOneCall) {
  int calls = 0;
  vervet::async_watcher w([&] { ++calls; });
  for (int i = 0; i < 10; ++i) w.send();
  EXPECT_EQ(calls, 0);
  vervet::sleep_for(1ms);
  EXPECT_EQ(calls, 1);
  w.send();
  w.stop();
  vervet::sleep_for(1ms);
  EXPECT_EQ(calls, 1);
}

TEST(AsyncWatcher, AnotherThreadSends) {
  std::atomic<int> sent{0};
  int seen = -1;
  bool overlap = false, inside = false;
  vervet::async_watcher w([&] {
    overlap |= std::exchange(inside, true);
    seen = sent;
    vervet::yield();
    inside = false;
  });
  std::thread other([&] {
    for (int i = 1; i <= 2000; ++i) {
      sent = i;
      w.send();
    }
  });
  ASSERT_TRUE(run_until([&] { return seen == 2000 && !inside; }));
  other.join();
  EXPECT_FALSE(overlap);
}

TEST(AsyncWatcher, SendToAThreadThatHasEndedThrows) {
  std::optional<vervet::async_watcher> w;
  std::thread([&] { w.emplace([] {}); }).join();
  EXPECT_EQ(error_of([&] { w->send(); }), std::errc::no_such_process);
}

TEST(ChildWatcher, OfNoProcessThrows) {
  EXPECT_EQ(error_of([] { vervet::child_watcher w(0x3fffffff, [](int) {}); }),
            std::errc::no_such_process);
}

TEST(ChildWatcher, TellsHowTheChildEnded) {
  pid_t child = fork();
  if (child == 0) {
    usleep(5000);
    _exit(7);
  }
  int status = 0;
  int calls = 0;
  vervet::child_watcher w(child, [&](int how) {
    status = how;
    ++calls;
  });
  ASSERT_TRUE(run_until([&] { return calls != 0; }));
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 7);
  EXPECT_FALSE(w.active());
  EXPECT_EQ(waitpid(child, nullptr, WNOHANG), -1);
}

TEST(Watchers, ThatAreOnWhenTheirThreadEndsDoNotHarmTheNext) {
  static vervet::timer* left;  // destroyed by nobody
  static int calls = 0;
  std::thread([] { left = new vervet::timer(1ms, [] { ++calls; }); }).join();
  std::thread([] {
    vervet::hub::here();
    vervet::sleep_for(10ms);
  }).join();
  EXPECT_NE(left, nullptr);
  EXPECT_EQ(calls, 0);
}

TEST(Watchers, HostedByFullFibersWorkToo) {
  bool ok = vervet::run({.workers = 2}, [] {
    socket_pair pair;
    std::string got;
    int ticks = 0;
    vervet::timer t(
        1ms, [&] { ++ticks; }, 1ms);
    vervet::io_watcher w(pair.ends[0], vervet::io_watcher::readable, [&](unsigned) {
      char c;
      if (read(pair.ends[0], &c, 1) == 1) got += c;
    });
    auto writer = vervet::spawn([&] { return write(pair.ends[1], "abc", 3) == 3; });
    return run_until([&] { return got == "abc" && ticks > 3; }) && writer.get();
  });
  EXPECT_TRUE(ok);
}

}  // namespace
