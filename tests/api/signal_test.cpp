// signal_watcher and signals::wait.
#include <gtest/gtest.h>

#include <csignal>
#include <memory>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <vector>

#include <unistd.h>

#include <vervet/event.hpp>
#include <vervet/fiber.hpp>
#include <vervet/run.hpp>
#include <vervet/signal.hpp>

namespace {

using namespace std::chrono_literals;
using vervet::signal_watcher;
namespace signals = vervet::signals;

void send(int signo) { kill(getpid(), signo); }

struct blocked {
  explicit blocked(int signo) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signo);
    pthread_sigmask(SIG_BLOCK, &set, &before);
  }
  ~blocked() { pthread_sigmask(SIG_SETMASK, &before, nullptr); }
  sigset_t before;
};

bool is_blocked(int signo) {
  sigset_t now;
  pthread_sigmask(SIG_BLOCK, nullptr, &now);
  return sigismember(&now, signo) == 1;
}

TEST(SignalWatcher, RefusesWhatIsNoSignal) {
  auto nothing = [](int) {};
  EXPECT_THROW(signal_watcher(0, nothing), std::system_error);
  EXPECT_THROW(signal_watcher(NSIG, nothing), std::system_error);
  EXPECT_THROW(signal_watcher(SIGKILL, nothing), std::system_error);
  std::vector<std::unique_ptr<signal_watcher>> many;
  for (int i = 0; i < 64; ++i) many.push_back(std::make_unique<signal_watcher>(SIGUSR1, nothing));
  EXPECT_THROW(signal_watcher(SIGUSR1, nothing), std::system_error);
  many.clear();
  signal_watcher again(SIGUSR1, nothing);
}

TEST(SignalWatcher, CallsBackInAFiberThatMayWait) {
  vervet::event done;
  int got = 0;
  signal_watcher watcher(SIGUSR1, [&](int signo) {
    vervet::sleep_for(1ms);
    got = signo;
    done.set();
  });
  send(SIGUSR1);
  EXPECT_EQ(got, 0) << "not in the handler";
  EXPECT_TRUE(done.wait(2s));
  EXPECT_EQ(got, SIGUSR1);
}

TEST(SignalWatcher, CallsEveryWatcherOnceForSignalsThatComeTogether) {
  int first = 0, second = 0, other = 0;
  signal_watcher a(SIGUSR1, [&](int) { ++first; });
  signal_watcher b(SIGUSR1, [&](int) { ++second; });
  signal_watcher c(SIGUSR2, [&](int) { ++other; });
  send(SIGUSR1);
  send(SIGUSR1);
  vervet::sleep_for(2ms);
  EXPECT_EQ(first, 1);
  EXPECT_EQ(second, 1);
  EXPECT_EQ(other, 0);
  send(SIGUSR1);
  vervet::sleep_for(2ms);
  EXPECT_EQ(first, 2);
}

TEST(SignalWatcher, RestoresWhatWasThereBefore) {
  struct sigaction before, after;
  sigaction(SIGUSR1, nullptr, &before);
  {
    signal_watcher a(SIGUSR1, [](int) {});
    signal_watcher b(SIGUSR1, [](int) {});
  }
  sigaction(SIGUSR1, nullptr, &after);
  EXPECT_EQ(before.sa_handler, after.sa_handler);
}

TEST(SignalWatcher, AnOldSignalIsNotANewOnes) {
  {
    signal_watcher a(SIGUSR1, [](int) {});
    send(SIGUSR1);
  }
  int called = 0;
  signal_watcher b(SIGUSR1, [&](int) { ++called; });
  vervet::sleep_for(1ms);
  EXPECT_EQ(called, 0);
}

TEST(SignalWatcher, TheDestructorCutsACallbackThatWaits) {
  bool cut = false;
  {
    signal_watcher watcher(SIGUSR1, [&](int) {
      try {
        vervet::sleep_for(100s);
      } catch (const vervet::cut_short&) {
        cut = true;
        throw;
      }
    });
    send(SIGUSR1);
    vervet::sleep_for(2ms);
  }
  EXPECT_TRUE(cut);
}

TEST(SignalWatcher, CallsBackOnItsOwnThread) {
  std::thread([] {
    vervet::event done;
    auto here = std::this_thread::get_id();
    signal_watcher watcher(SIGUSR1, [&](int) {
      EXPECT_EQ(std::this_thread::get_id(), here);
      done.set();
    });
    std::thread([] { send(SIGUSR1); }).join();
    EXPECT_TRUE(done.wait(2s));
  }).join();
}

TEST(Signals, RefusesWhatIsNoSignal) {
  EXPECT_THROW(signals::wait({NSIG + 1}, 0s), std::system_error);
}

TEST(Signals, TakesOneThatIsPending) {
  blocked usr1(SIGUSR1);
  send(SIGUSR1);
  auto si = signals::wait({SIGUSR1, SIGUSR2});
  ASSERT_TRUE(si);
  EXPECT_EQ(si->ssi_signo, static_cast<unsigned>(SIGUSR1));
  EXPECT_EQ(si->ssi_pid, static_cast<unsigned>(getpid()));
  EXPECT_TRUE(is_blocked(SIGUSR1)) << "it was before";
  EXPECT_FALSE(signals::wait({SIGUSR1}, 0s));
}

TEST(Signals, BlocksWhileItWaitsAndRestoresTheMask) {
  auto sender = vervet::spawn([] {
    EXPECT_TRUE(is_blocked(SIGUSR1));
    send(SIGUSR1);
  });
  EXPECT_TRUE(signals::wait({SIGUSR1}, 2s));
  EXPECT_FALSE(is_blocked(SIGUSR1));
  EXPECT_FALSE(signals::wait({SIGUSR1}, 1ms)) << "times out";
  sender.get();
}

TEST(Signals, OneFibersEndDoesNotUnblockAnothers) {
  auto lasting = vervet::spawn([] { return signals::wait({SIGUSR1, SIGUSR2}, 2s); });
  auto short_one = vervet::spawn([] { return signals::wait({SIGUSR1}, 1ms); });
  EXPECT_FALSE(short_one.get());
  EXPECT_TRUE(is_blocked(SIGUSR1));
  send(SIGUSR1);
  EXPECT_TRUE(lasting.get());
  EXPECT_FALSE(is_blocked(SIGUSR1));
}

TEST(Signals, AKilledWaiterRestoresTheMask) {
  auto killed = vervet::spawn([] { signals::wait({SIGUSR1}); });
  vervet::yield();
  EXPECT_TRUE(is_blocked(SIGUSR1));
  killed.kill();
  EXPECT_FALSE(is_blocked(SIGUSR1));
}

TEST(Signals, TakesWhatAnotherThreadSends) {
  blocked usr1(SIGUSR1);
  std::thread sending([] { send(SIGUSR1); });
  EXPECT_TRUE(signals::wait({SIGUSR1}, 5s));
  sending.join();
}

// Last: it may leave kernel threads behind, in which no signal is blocked.
TEST(SignalWatcher, WorksInsideRun) {
  bool came = vervet::run({.workers = 2}, [] {
    vervet::event done;
    signal_watcher watcher(SIGUSR1, [&](int) { done.set(); });
    send(SIGUSR1);
    return done.wait(2s);
  });
  EXPECT_TRUE(came);
}

}  // namespace
