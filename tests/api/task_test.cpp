// Tasks: coroutines beside fibers.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vervet/async_result.hpp>
#include <vervet/event.hpp>
#include <vervet/hub.hpp>
#include <vervet/latch.hpp>
#include <vervet/select.hpp>
#include <vervet/semaphore.hpp>
#include <vervet/task.hpp>
#include <vervet/vervet.hpp>
#include <vervet/wait.hpp>

namespace {

using namespace std::chrono_literals;
using namespace std::string_view_literals;
using clock_type = std::chrono::steady_clock;
using vervet::running;
using vervet::start;
using vervet::task;

task<int> number(int n) { co_return n; }
task<> nothing() { co_return; }
task<int> fails(const char* what) {
  co_await nothing();
  throw std::runtime_error(what);
}

// Runs the task to its end.
template <typename T>
T result_of(task<T> t) {
  return start(std::move(t)).get(5s);
}

struct socket_pair {
  int ends[2];
  socket_pair() {
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) std::abort();
  }
  ~socket_pair() {
    for (int& end : ends) close(end);
  }
  static void close(int& end) {
    if (end >= 0) vervet_close(end);
    end = -1;
  }
};

// ---- The coroutine itself -----------------------------------------------------------------------

TEST(Task, AnEmptyOneOrOneAwaitedTwiceThrows) {
  EXPECT_THROW(start(task<>()), std::logic_error);
  auto twice = []() -> task<> {
    task<int> t = number(1);
    EXPECT_EQ(co_await std::move(t), 1);
    EXPECT_THROW(co_await std::move(t), std::logic_error);
  };
  result_of(twice());
}

TEST(Task, BeginsWhenItIsAwaitedAndDiesUnbegun) {
  auto kept = std::make_shared<int>(0);
  auto touch = [](std::shared_ptr<int> counter) -> task<> {
    ++*counter;
    co_return;
  };
  {
    task<> never = touch(kept);
    EXPECT_EQ(kept.use_count(), 2);
  }
  EXPECT_EQ(kept.use_count(), 1);
  EXPECT_EQ(*kept, 0);
  running<> r = start(touch(kept));
  EXPECT_EQ(*kept, 0);
  r.get();
  EXPECT_EQ(*kept, 1);
  EXPECT_EQ(kept.use_count(), 1);
}

TEST(Task, StartedOnesBeginInTheirOrderWhenTheCallerWaits) {
  std::string order;
  auto letter = [&](char c) -> task<> {
    order += c;
    co_await vervet::after(0ms);
    order += static_cast<char>(c - 'a' + 'A');
  };
  std::vector<running<>> all;
  for (char c : "abc"sv) all.push_back(start(letter(c)));
  EXPECT_EQ(order, "");
  for (auto& r : all) r.get();
  EXPECT_EQ(order, "abcABC");
}

TEST(Task, AfterIsAlsoACaseOfSelect) {
  vervet::channel<int> nobody_sends;
  auto both = []() -> task<> {
    auto soon = vervet::after(1ms);
    co_await soon;
  };
  result_of(both());
  auto ignore = [](std::optional<int>) {};
  EXPECT_EQ(vervet::select(vervet::receive(nobody_sends, ignore), vervet::after(1ms)), 1u);
}

TEST(Task, ValuesReferencesAndWhatOnlyMovesComeBack) {
  EXPECT_EQ(result_of(number(7)), 7);
  int target = 1;
  auto reference = [](int& i) -> task<int&> { co_return i; };
  auto outer = [&]() -> task<int&> {
    int& i = co_await reference(target);
    ++i;
    co_return i;
  };
  EXPECT_EQ(&result_of(outer()), &target);
  EXPECT_EQ(target, 2);
  auto pointer = []() -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(5); };
  EXPECT_EQ(*result_of(pointer()), 5);
}

TEST(Task, AnExceptionIsThrownAtTheAwait) {
  auto outer = []() -> task<std::string> {
    try {
      co_await fails("inner");
    } catch (const std::runtime_error& error) {
      co_return error.what();
    }
    co_return "";
  };
  EXPECT_EQ(result_of(outer()), "inner");
  EXPECT_THROW(result_of(fails("out")), std::runtime_error);
}

TEST(Task, AwaitsOneAfterTheOtherOnNoStack) {
  auto many = [](int count) -> task<int> {
    int total = 0;
    for (int i = 0; i < count; ++i) total += co_await number(1);
    co_return total;
  };
  struct deep {
    static task<int> down(int left) {
      if (left == 0) co_return 0;
      co_return 1 + co_await down(left - 1);
    }
  };
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_EQ(result_of(many(100'000)), 100'000);
  EXPECT_EQ(result_of(deep::down(100'000)), 100'000);
#else
  EXPECT_EQ(result_of(many(20)), 20);
  EXPECT_EQ(result_of(deep::down(20)), 20);
#endif
}

// ---- running ------------------------------------------------------------------------------------

TEST(Running, TellsHowItStands) {
  running<int> none;
  EXPECT_FALSE(none);
  running<int> r = start(number(3));
  EXPECT_FALSE(r.ready());
  EXPECT_EQ(r.get(), 3);
  EXPECT_TRUE(r.ready());
  EXPECT_TRUE(r.successful());
  EXPECT_FALSE(r.cancelled());
  EXPECT_EQ(r.exception(), nullptr);
  running<> any = r;
  any.get();
  EXPECT_EQ(std::move(r).get(), 3);
}

TEST(Running, GetTimesOut) {
  vervet::event never;
  auto waits = [&]() -> task<> { co_await never; };
  running<> r = start(waits());
  EXPECT_FALSE(r.join(2ms));
  EXPECT_THROW(r.get(2ms), vervet::timed_out);
  never.set();
  r.get();
}

TEST(Running, AnExceptionThatNobodyAsksForIsReported) {
  testing::internal::CaptureStderr();
  {
    running<int> r = start(fails("unseen"));
    running<int> seen = start(fails("seen"));
    r.join();
    EXPECT_THROW(seen.get(), std::runtime_error);
  }
  start(fails("dropped"));
  vervet::sleep_for(1ms);
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "vervet: a task ended with an uncaught exception: unseen\n"
            "vervet: a task ended with an uncaught exception: dropped\n");
}

TEST(Running, FibersAndThreadsGetItToo) {
  auto slow = []() -> task<int> {
    co_await vervet::after(5ms);
    co_return 4;
  };
  running<int> r = start(slow());
  auto f = vervet::spawn([r] { return r.get(); });
  int seen = 0;
  std::thread other([&, r] { seen = r.get(); });
  EXPECT_EQ(f.get(), 4);
  other.join();
  EXPECT_EQ(seen, 4);
}

TEST(Running, StandsInWait) {
  vervet::event done;
  auto first = [&]() -> task<> { co_await done; };
  auto second = []() -> task<> { co_await vervet::after(1ms); };
  std::vector<running<>> all{start(first()), start(second())};
  auto ready = vervet::wait(all, {.count = 1});
  EXPECT_FALSE(all[0].ready());
  EXPECT_TRUE(all[1].ready());
  done.set();
  all[0].get();
}

TEST(Running, ATaskWhoseThreadEndsIsAbandoned) {
  static vervet::event never;
  never.clear();
  running<> left;
  auto waits = []() -> task<> { co_await never; };
  std::thread([&] {
    left = start(waits());
    vervet::sleep_for(1ms);
  }).join();
  EXPECT_FALSE(left.ready());
  try {
    left.get();
    ADD_FAILURE();
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code(), std::errc::owner_dead);
  }
  never.set();  // wakes nobody
  left.cancel();
}

TEST(Running, TellsOfADeadlockWhenNothingCanWakeTheTask) {
  vervet::event never;
  auto waits = [&]() -> task<> { co_await never; };
  running<> r = start(waits());
  EXPECT_THROW(r.get(), vervet::would_block_forever);
  EXPECT_FALSE(r.join(1ms));
  r.cancel();
  EXPECT_THROW(r.get(), vervet::fiber_exit);
}

// ---- What can be awaited ------------------------------------------------------------------------

TEST(Await, TimePassesForAllAtOnce) {
  auto sleeper = []() -> task<> { co_await vervet::after(20ms); };
  auto begin = clock_type::now();
  std::vector<running<>> all;
  for (int i = 0; i < 100; ++i) all.push_back(start(sleeper()));
  for (auto& r : all) r.get();
  auto took = clock_type::now() - begin;
  EXPECT_GE(took, 20ms);
  EXPECT_LT(took, 1s);
}

TEST(Await, AnEventIsSetByAFiber) {
  vervet::event e;
  auto waits = [&]() -> task<int> {
    co_await e;
    co_return 1;
  };
  auto one = start(waits()), two = start(waits());
  vervet::spawn([&] {
    vervet::sleep_for(1ms);
    e.set();
  });
  EXPECT_EQ(one.get() + two.get(), 2);
  EXPECT_EQ(result_of(waits()), 1);  // set already
}

TEST(Await, AnotherThreadSetsTheResultAndTheTaskGoesOnOnItsOwn) {
  vervet::async_result<std::string> answer;
  std::thread::id here = std::this_thread::get_id();
  auto asks = [&]() -> task<std::string> {
    std::string got = co_await answer;
    EXPECT_EQ(std::this_thread::get_id(), here);
    co_return got;
  };
  auto r = start(asks());
  std::thread other([&] { answer.set_value("across"); });
  EXPECT_EQ(r.get(), "across");
  other.join();
  vervet::async_result<> failed;
  failed.set_exception(std::runtime_error("no"));
  auto throws = [&]() -> task<> { co_await failed; };
  EXPECT_THROW(result_of(throws()), std::runtime_error);
}

TEST(Await, AFiberGivesItsValueOrItsException) {
  testing::internal::CaptureStderr();
  auto outer = []() -> task<std::string> {
    auto f = vervet::spawn([] {
      vervet::sleep_for(2ms);
      return std::string("fiber");
    });
    std::string text = co_await f;
    text += *co_await vervet::spawn([] { return std::make_unique<int>(7); }) == 7 ? "!" : "?";
    try {
      co_await vervet::spawn([] { throw std::runtime_error("thrown"); });
    } catch (const std::runtime_error& error) {
      text += error.what();
    }
    co_return text;
  };
  EXPECT_EQ(result_of(outer()), "fiber!thrown");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(Await, AnotherTaskThatRuns) {
  auto inner = []() -> task<int> {
    co_await vervet::after(2ms);
    co_return 6;
  };
  running<int> shared = start(inner());
  auto outer = [&]() -> task<int> {
    int sum = co_await shared;
    co_return sum + co_await start(inner());
  };
  auto a = start(outer()), b = start(outer());
  EXPECT_EQ(a.get() + b.get(), 24);
}

TEST(Await, WithinGivesUpInTime) {
  vervet::event e;
  auto waits = [&](vervet::deadline until) -> task<bool> { co_return co_await within(e, until); };
  EXPECT_FALSE(result_of(waits(2ms)));
  EXPECT_FALSE(result_of(waits(0ms)));
  auto r = start(waits(5s));
  vervet::spawn([&] { e.set(); });
  EXPECT_TRUE(r.get());
  EXPECT_TRUE(result_of(waits(0ms)));
}

TEST(Await, PermitsAreTakenByOneAtATime) {
  vervet::semaphore permits(2);
  int inside = 0, most = 0, done = 0;
  auto worker = [&](int i) -> task<> {
    co_await acquire(permits);
    most = std::max(most, ++inside);
    co_await vervet::after(std::chrono::microseconds(100 * (i % 3)));
    --inside;
    ++done;
    permits.release();
  };
  std::vector<running<>> all;
  for (int i = 0; i < 50; ++i) all.push_back(start(worker(i)));
  for (auto& r : all) r.get(5s);
  EXPECT_EQ(most, 2);
  EXPECT_EQ(done, 50);
  EXPECT_EQ(permits.value(), 2);
}

TEST(Await, APermitThatDoesNotComeInTimeIsNotTaken) {
  vervet::semaphore permits(0);
  auto tries = [&](vervet::deadline until) -> task<bool> {
    co_return co_await acquire(permits, until);
  };
  EXPECT_FALSE(result_of(tries(2ms)));
  permits.release();
  EXPECT_TRUE(result_of(tries(2ms)));
  EXPECT_EQ(permits.value(), 0);
}

TEST(Await, BytesGoThroughSockets) {
  socket_pair pair;
  auto echo = [](int fd) -> task<> {
    char buffer[1000];
    while (std::size_t size = co_await vervet::async_read(fd, buffer))
      co_await vervet::async_write(fd, std::string_view(buffer, size));
  };
  constexpr std::size_t total = 1 << 20;
  auto writes = [](int fd) -> task<std::size_t> {
    std::string text(total, 'x');
    co_return co_await vervet::async_write(fd, text);
  };
  auto reads = [](int fd) -> task<std::size_t> {
    std::vector<std::byte> buffer(64 * 1024);
    std::size_t got = 0;
    while (got < total) got += co_await vervet::async_read(fd, buffer);
    co_return got;
  };
  auto server = start(echo(pair.ends[0]));
  auto writer = start(writes(pair.ends[1]));
  EXPECT_EQ(start(reads(pair.ends[1])).get(5s), total);
  EXPECT_EQ(writer.get(5s), total);
  pair.close(pair.ends[1]);
  server.get(5s);
}

TEST(Await, AReadTimesOutAndABadDescriptorThrows) {
  socket_pair pair;
  char c;
  auto reads = [&](int fd) -> task<std::size_t> {
    co_return co_await vervet::async_read(fd, std::span(&c, 1), 2ms);
  };
  EXPECT_THROW(result_of(reads(pair.ends[0])), vervet::timed_out);
  EXPECT_THROW(result_of(reads(-1)), std::system_error);
  auto ready = [](int fd, vervet::deadline until) -> task<bool> {
    co_return co_await vervet::readable(fd, until);
  };
  EXPECT_FALSE(result_of(ready(pair.ends[0], 2ms)));
  EXPECT_THROW(result_of(ready(-1, 2ms)), std::system_error);
  ASSERT_EQ(write(pair.ends[1], "a", 1), 1);
  EXPECT_TRUE(result_of(ready(pair.ends[0], 5s)));
  EXPECT_EQ(result_of(reads(pair.ends[0])), 1u);
}

TEST(Await, AClosedDescriptorEndsTheRead) {
  socket_pair pair;
  char buffer[8];
  auto reads = [&](int fd) -> task<std::size_t> {
    co_return co_await vervet::async_read(fd, buffer);
  };
  auto r = start(reads(pair.ends[0]));
  vervet::spawn([&] { pair.close(pair.ends[0]); });
  EXPECT_THROW(r.get(5s), std::system_error);
}

TEST(Await, AWaitInTheWayOfFibersDelaysNoOtherTask) {
  std::string order;
  vervet::event e;
  auto blocks = [&](char c) -> task<> {
    order += c;
    e.wait();  // parks the fiber that runs the tasks
    order += static_cast<char>(c - 'a' + 'A');
    co_return;
  };
  auto goes_on = [&]() -> task<> {
    for (int i = 0; i < 3; ++i) {
      order += '.';
      co_await vervet::after(1ms);
    }
    e.set();
  };
  auto one = start(blocks('a')), two = start(blocks('b'));
  auto three = start(goes_on());
  one.get(5s), two.get(5s), three.get(5s);
  EXPECT_EQ(order, "ab...AB");
}

TEST(Await, TasksThatWakeEachOtherLeaveFibersTheirTurn) {
  vervet::semaphore ping(0), pong(0);
  bool stop = false;
  int rounds = 0;
  auto player = [&](vervet::semaphore& mine, vervet::semaphore& other) -> task<> {
    while (!stop) {
      co_await acquire(mine);
      ++rounds;
      other.release();
    }
  };
  auto one = start(player(ping, pong)), two = start(player(pong, ping));
  ping.release();
  vervet::spawn([&] {
    while (rounds < 100) vervet::yield();
    stop = true;
  }).join(5s);
  EXPECT_TRUE(stop);
  stop = true;
  one.get(5s);
  ping.release(), pong.release();
  two.get(5s);
}

TEST(Await, HostedByFullFibersTasksRunToo) {
  int sum = vervet::run({.workers = 2}, [] {
    vervet::async_result<int> answer;
    auto asks = [&]() -> task<int> {
      co_await vervet::after(1ms);
      int from_fiber = co_await vervet::spawn([] {
        vervet::sleep_for(1ms);
        return 1;
      });
      co_return from_fiber + co_await answer;
    };
    auto r = start(asks());
    vervet::spawn([&] {
      vervet::sleep_for(2ms);
      answer.set_value(10);
    });
    return r.get(5s);
  });
  EXPECT_EQ(sum, 11);
}

TEST(Await, AnotherThreadsHubRunsATask) {
  vervet::hub home = vervet::hub::here();
  int value = 0;
  vervet::event done;
  std::thread other([&, home] {
    value = home.spawn([](task<int> t) { return start(std::move(t)).get(); }, number(9)).get();
    done.set();
  });
  done.wait();
  other.join();
  EXPECT_EQ(value, 9);
}

// ---- Cancellation -------------------------------------------------------------------------------

TEST(Cancel, ATaskThatHasNotBegunNeverDoes) {
  bool began = false;
  auto body = [&](std::shared_ptr<int>) -> task<> {
    began = true;
    co_return;
  };
  auto kept = std::make_shared<int>();
  running<> r = start(body(kept));
  EXPECT_TRUE(r.cancel());
  EXPECT_THROW(r.get(), vervet::fiber_exit);
  EXPECT_TRUE(r.cancelled());
  EXPECT_FALSE(r.cancel());
  EXPECT_FALSE(began);
  EXPECT_EQ(kept.use_count(), 1);
}

// Each of these waits for ever; `cleaned` counts the frames that were unwound.
TEST(Cancel, EveryAwaitIsCutAndLeavesItsObjectConsistent) {
  struct counts {
    int& n;
    ~counts() { ++n; }
  };
  int cleaned = 0;
  vervet::event e;
  vervet::semaphore permits(0);
  vervet::async_result<int> answer;
  auto slow = vervet::spawn([] { vervet::sleep_for(10s); });
  socket_pair pair;
  char buffer[8];
  auto on_event = [&]() -> task<> {
    counts c{cleaned};
    co_await e;
  };
  auto in_time = [&]() -> task<> {
    counts c{cleaned};
    co_await within(e, 10s);
  };
  auto on_permit = [&]() -> task<> {
    counts c{cleaned};
    co_await acquire(permits);
  };
  auto on_permit_in_time = [&]() -> task<> {
    counts c{cleaned};
    co_await acquire(permits, 10s);
  };
  auto on_answer = [&]() -> task<> {
    counts c{cleaned};
    co_await answer;
  };
  auto on_fiber = [&]() -> task<> {
    counts c{cleaned};
    co_await slow;
  };
  auto on_time = [&]() -> task<> {
    counts c{cleaned};
    co_await vervet::after(10s);
  };
  auto on_bytes = [&]() -> task<> {
    counts c{cleaned};
    co_await vervet::async_read(pair.ends[0], buffer);
  };
  auto nested = [&]() -> task<> {
    counts c{cleaned};
    co_await on_event();
  };
  std::vector<running<>> all{start(on_event()),  start(in_time()),           start(on_permit()),
                             start(on_answer()), start(on_permit_in_time()), start(on_fiber()),
                             start(on_time()),   start(on_bytes()),          start(nested())};
  vervet::sleep_for(1ms);
  for (auto& r : all) EXPECT_TRUE(r.cancel());
  for (auto& r : all) {
    EXPECT_THROW(r.get(5s), vervet::fiber_exit);
    EXPECT_TRUE(r.cancelled());
  }
  EXPECT_EQ(cleaned, 10);
  slow.kill();
  e.set();
  permits.release();
  EXPECT_TRUE(permits.try_acquire());
  answer.set_value(1);
}

TEST(Cancel, ATaskMayCatchItAndGoOn) {
  vervet::event never;
  auto stubborn = [&]() -> task<int> {
    int cuts = 0;
    while (cuts < 3) {
      try {
        co_await never;
      } catch (const vervet::cut_short&) {
        ++cuts;
      }
    }
    co_return cuts;
  };
  running<int> r = start(stubborn());
  do {
    vervet::sleep_for(1ms);
  } while (r.cancel());
  EXPECT_GE(r.get(), 3);
}

TEST(Cancel, OneThatWaitsInTheWayOfFibersIsToldAtItsNextAwait) {
  vervet::event e;
  bool went_on = false;
  auto blocks = [&]() -> task<> {
    e.wait();
    went_on = true;
    co_await vervet::after(10s);
  };
  running<> r = start(blocks());
  vervet::sleep_for(1ms);
  r.cancel();
  vervet::sleep_for(1ms);
  e.set();
  EXPECT_THROW(r.get(5s), vervet::fiber_exit);
  EXPECT_TRUE(went_on);
}

TEST(Cancel, FromAnyThreadWhileOthersWakeIt) {
  constexpr int rounds = 300;
  vervet::semaphore permits(0);
  std::atomic<int> taken{0}, cut{0};
  auto tries = [&](int i) -> task<> {
    try {
      if (i % 2 == 0) {
        co_await acquire(permits);
        ++taken;
      } else if (co_await acquire(permits, std::chrono::microseconds(i))) {
        ++taken;
      } else {
        ++cut;
      }
    } catch (const vervet::fiber_exit&) {
      ++cut;
      throw;
    }
  };
  std::vector<running<>> all;
  for (int i = 0; i < rounds; ++i) all.push_back(start(tries(i)));
  std::thread waker([&] {
    for (int i = 0; i < rounds / 2; ++i) permits.release();
  });
  std::thread canceller([&] {
    for (int i = 0; i < rounds; i += 3) all[i].cancel();
  });
  vervet::sleep_for(2ms);
  waker.join();
  canceller.join();
  // Whoever is left can have a permit.
  permits.release(rounds);
  int unbegun = 0;
  for (auto& r : all) {
    ASSERT_TRUE(r.join(5s));
    if (r.cancelled()) ++unbegun;
  }
  EXPECT_EQ(permits.value() + taken, rounds / 2 + rounds);
  EXPECT_GE(taken + cut + unbegun, rounds);
}

// ---- Several ------------------------------------------------------------------------------------

task<int> later(int n, std::chrono::milliseconds time) {
  co_await vervet::after(time);
  co_return n;
}

TEST(WhenAll, ReturnsTheValuesInTheOrderGiven) {
  auto outer = []() -> task<int> {
    auto [a, b, c] = co_await when_all(later(1, 4ms), later(20, 1ms), nothing());
    static_assert(std::is_same_v<decltype(c), std::monostate>);
    std::vector<task<int>> more;
    for (int i = 0; i < 10; ++i) more.push_back(later(i * 100, std::chrono::milliseconds(10 - i)));
    std::vector<int> values = co_await vervet::when_all(std::move(more));
    for (int i = 0; i < 10; ++i) EXPECT_EQ(values[i], i * 100);
    co_await vervet::when_all(std::vector<task<>>());
    co_return a + b;
  };
  auto begin = clock_type::now();
  EXPECT_EQ(result_of(outer()), 21);
  EXPECT_LT(clock_type::now() - begin, 1s);
}

TEST(WhenAll, TheFirstExceptionCancelsTheOthers) {
  int cut = 0;
  auto waits = [&]() -> task<> {
    try {
      co_await vervet::after(10s);
    } catch (const vervet::fiber_exit&) {
      ++cut;
      throw;
    }
  };
  auto outer = [&]() -> task<> { co_await when_all(waits(), fails("first"), waits()); };
  // The third has not begun when the second fails.
  EXPECT_THROW(result_of(outer()), std::runtime_error);
  EXPECT_EQ(cut, 1);
}

TEST(WhenAll, CancelledItCancelsThemAllAndWaitsForThem) {
  int ended = 0;
  auto waits = [&]() -> task<> {
    try {
      co_await vervet::after(10s);
    } catch (const vervet::fiber_exit&) {
    }
    co_await vervet::after(2ms);
    ++ended;
  };
  auto outer = [&]() -> task<> { co_await when_all(waits(), waits()); };
  running<> r = start(outer());
  vervet::sleep_for(1ms);
  r.cancel();
  EXPECT_THROW(r.get(5s), vervet::fiber_exit);
  EXPECT_EQ(ended, 2);
}

TEST(WithTimeout, ReturnsNothingOfATaskThatIsTooSlow) {
  auto outer = []() -> task<> {
    EXPECT_EQ(co_await vervet::with_timeout(5s, later(3, 1ms)), 3);
    EXPECT_EQ(co_await vervet::with_timeout(2ms, later(3, 10s)), std::nullopt);
    EXPECT_TRUE(co_await vervet::with_timeout(5s, nothing()));
    EXPECT_THROW(co_await vervet::with_timeout(5s, fails("through")), std::runtime_error);
  };
  result_of(outer());
}

TEST(WithTimeout, CancelledItCancelsItsTask) {
  bool cut = false;
  auto waits = [&]() -> task<> {
    try {
      co_await vervet::after(10s);
    } catch (const vervet::fiber_exit&) {
      cut = true;
      throw;
    }
  };
  auto outer = [&]() -> task<> { co_await vervet::with_timeout(5s, waits()); };
  running<> r = start(outer());
  vervet::sleep_for(1ms);
  r.cancel();
  EXPECT_THROW(r.get(5s), vervet::fiber_exit);
  EXPECT_TRUE(cut);
}

}  // namespace
