// Descriptors and watchers in an OS thread's hub; its handle in the hands of other threads.
#include <cerrno>
#include <cxxabi.h>
#include <thread>
#include <vector>

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/runtime/c_fiber.h"

namespace vervet::testing {
namespace {

struct pipe_ends {
  int read_end, write_end;
  pipe_ends() {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    read_end = ends[0];
    write_end = ends[1];
    EXPECT_EQ(vervet_adopt_fd(read_end), 0);
    EXPECT_EQ(vervet_adopt_fd(write_end), 0);
  }
  pipe_ends(const pipe_ends&) = delete;
  ~pipe_ends() {
    vervet_close(read_end);
    vervet_close(write_end);
  }
  void put(char c) {
    while (write(write_end, &c, 1) != 1) {
      ASSERT_EQ(errno, EAGAIN);
      ASSERT_EQ(vervet_wait_fd(write_end, VERVET_WRITABLE, VERVET_NEVER), 0);
    }
  }
  // The byte that came, 0 at the end; or the negated error of the wait.
  int get(int64_t deadline = VERVET_NEVER) {
    struct call {
      int fd;
      char c;
    } one{read_end, 0};
    auto attempt = [](void* argument) {
      auto& c = *static_cast<call*>(argument);
      return recv(c.fd, &c.c, 1, 0);
    };
    vervet_io_result result{};
    int error = vervet_io(read_end, VERVET_READABLE, attempt, &one, 1, deadline, &result);
    if (error != 0) return -error;
    return result.value == 1 ? one.c : 0;
  }
};

TEST(LightHubIo, RefusesBadArguments) {
  EXPECT_EQ(vervet_wait_fd(-1, VERVET_READABLE, VERVET_NEVER), EBADF);
  EXPECT_EQ(vervet_wait_fd(900, VERVET_READABLE, VERVET_NEVER), EBADF);
  EXPECT_EQ(vervet_wait_fd(0, 0, VERVET_NEVER), EINVAL);
  int file = fileno(tmpfile());
  EXPECT_EQ(vervet_wait_fd(file, VERVET_READABLE, VERVET_NEVER), EPERM);
}

TEST(LightHubIo, AThreadWithoutFibersWaits) {
  pipe_ends p;
  EXPECT_EQ(p.get(vervet_after(2 * millisecond)), -ETIMEDOUT);
  std::thread writer([&] {
    usleep(5000);
    p.put('x');
  });
  EXPECT_EQ(p.get(), 'x');
  writer.join();
}

TEST(LightHubIo, OneFiberReadsWhileOthersRun) {
  pipe_ends p;
  std::string seen;
  c_fiber reader([&] {
    while (int c = p.get()) seen += static_cast<char>(c);
  });
  for (char c : {'a', 'b', 'c'}) {
    p.put(c);
    vervet_sleep_for(millisecond);
    EXPECT_EQ(seen.back(), c);
  }
  shutdown(p.write_end, SHUT_WR);
  EXPECT_EQ(reader.join(), 0);
  EXPECT_EQ(seen, "abc");
}

TEST(LightHubIo, DescriptorsAreSeenToBesideAFiberThatOnlyYields) {
  pipe_ends p;
  bool done = false;
  c_fiber reader([&] {
    EXPECT_EQ(p.get(), 'x');
    done = true;
  });
  vervet_yield();
  p.put('x');
  int yields = 0;
  while (!done && yields < 10'000) {
    vervet_yield();
    ++yields;
  }
  EXPECT_TRUE(done);
  EXPECT_LT(yields, 200);
}

TEST(LightHubIo, ClosingWakesWhoWaits) {
  pipe_ends p;
  int result = 0;
  c_fiber reader([&] { result = p.get(); });
  vervet_yield();
  EXPECT_EQ(vervet_close(p.read_end), 0);
  EXPECT_EQ(reader.join(), 0);
  EXPECT_EQ(result, -EBADF);
  p.read_end = -1;
}

// What another thread may do between the attempt and the wait: it has told those who wait, but not
// yet closed.
TEST(LightHubIo, WhoIsAboutToWaitForWhatIsBeingClosedIsTold) {
  pipe_ends p;
  auto attempt = [](void* fd) {
    char c;
    ssize_t got = recv(*static_cast<int*>(fd), &c, 1, 0);
    int error = errno;
    vervet_adopt_nonblocking_fd(*static_cast<int*>(fd));  // retires it, as vervet_close() does first
    errno = error;
    return got;
  };
  vervet_io_result result{};
  int64_t limit = vervet_after(100 * millisecond);
  EXPECT_EQ(vervet_io(p.read_end, VERVET_READABLE, attempt, &p.read_end, 1, limit, &result), EBADF);
}

TEST(LightHubIo, WhoOnlyLooksFindsWhatHasComeUnseen) {
  pipe_ends p;
  EXPECT_EQ(p.get(vervet_after(0)), -ETIMEDOUT);
  EXPECT_EQ(p.get(vervet_after(millisecond)), -ETIMEDOUT);
  p.put('x');
  EXPECT_EQ(p.get(vervet_after(0)), 'x');
}

TEST(LightHubIo, AKillCutsTheWait) {
  pipe_ends p;
  int result = 0;
  c_fiber reader([&] { result = p.get(); });
  vervet_yield();
  reader.kill();
  reader.join();
  EXPECT_EQ(result, -ECANCELED);
}

TEST(LightHubIo, ADestructorsWaitThatAKillMeetsGoesOn) {
  vervet_register_exception_globals([]() -> void* { return abi::__cxa_get_globals(); });
  pipe_ends p;
  int result = -1;
  struct waits {
    int fd;
    int& result;
    ~waits() { result = vervet_wait_fd(fd, VERVET_READABLE, vervet_after(50 * millisecond)); }
  };
  c_fiber reader([&] {
    try {
      waits at_end{p.read_end, result};
      throw 1;
    } catch (int) {
    }
  });
  vervet_yield();
  reader.kill();
  EXPECT_EQ(reader.join(), 0);
  EXPECT_EQ(result, ETIMEDOUT);
}

TEST(LightHubIo, ANumberThatIsClosedUnseenAndUsedAgainIsWaitedForAnew) {
  int old[2], young[2];
  ASSERT_EQ(pipe(old), 0);
  EXPECT_EQ(vervet_wait_fd(old[0], VERVET_READABLE, vervet_after(millisecond)), ETIMEDOUT);
  close(old[0]);
  close(old[1]);
  ASSERT_EQ(pipe(young), 0);
  ASSERT_EQ(young[0], old[0]);
  ASSERT_EQ(write(young[1], "x", 1), 1);
  EXPECT_EQ(vervet_wait_fd(young[0], VERVET_READABLE, vervet_after(1000 * millisecond)), 0);
  close(young[0]);
  close(young[1]);
}

TEST(LightHubIo, AllWhoWaitForADescriptorAreWoken) {
  pipe_ends p;
  int woken = 0;
  auto wait = [&] {
    EXPECT_EQ(vervet_wait_fd(p.read_end, VERVET_READABLE, vervet_after(5000 * millisecond)), 0);
    ++woken;
  };
  c_fiber a(wait), b(wait), c(wait);
  vervet_yield();
  p.put('x');
  for (c_fiber* f : {&a, &b, &c}) f->join();
  EXPECT_EQ(woken, 3);
}

TEST(LightHubIo, SeveralThreadsReadOneDescriptor) {
  constexpr int threads = 3, bytes = 3000;
  pipe_ends p;
  std::atomic<int> got{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < threads; ++i)
    readers.emplace_back([&] {
      c_fiber one([&] {
        while (p.get() > 0) ++got;
      });
      c_fiber other([&] {
        while (p.get() > 0) ++got;
      });
      one.join();
      other.join();
    });
  for (int i = 0; i < bytes; ++i) {
    p.put('x');
    if (i % 100 == 0) usleep(200);
  }
  shutdown(p.write_end, SHUT_WR);
  for (auto& t : readers) t.join();
  EXPECT_EQ(got, bytes);
}

TEST(LightHubIo, InsideRunFibersShareThePoller) {
  vervet_run_options options{sizeof options, 2};
  auto main = [](void*) -> void* {
    pipe_ends p;
    c_fiber reader([&] { EXPECT_EQ(p.get(), 'x'); });
    vervet_sleep_for(2 * millisecond);
    p.put('x');
    EXPECT_EQ(reader.join(), 0);
    return nullptr;
  };
  EXPECT_EQ(vervet_run(&options, main, nullptr, nullptr), 0);
}

struct counted : vervet_watcher {
  std::atomic<int> calls{0};
  unsigned last = 77;
  counted(const counted&) = delete;
  ~counted() { vervet_watcher_stop(this); }
  // Whether it has called back `wanted` times before long.
  bool calls_back(int wanted) {
    auto left = vervet_after(5000 * millisecond);
    while (calls < wanted && vervet_after(0) < left) vervet_sleep_for(millisecond);
    return calls == wanted;
  }
  counted() : vervet_watcher{} {
    fd = -1;
    deadline = VERVET_NEVER;
    callback = [](vervet_watcher* w, unsigned events) {
      auto& self = *static_cast<counted*>(w);
      self.last = events;
      ++self.calls;
      vervet_unpark(&self.calls, 1);
    };
  }
};

TEST(Watcher, CallsBackAtAnEventOnceAndInAFiber) {
  pipe_ends p;
  counted w;
  w.fd = p.read_end;
  w.events = VERVET_READABLE;
  ASSERT_EQ(vervet_watcher_start(&w), 0);
  vervet_sleep_for(2 * millisecond);
  EXPECT_EQ(w.calls, 0);
  p.put('x');
  EXPECT_TRUE(w.calls_back(1));
  EXPECT_EQ(w.last, VERVET_READABLE);
  p.put('y');
  vervet_sleep_for(2 * millisecond);
  EXPECT_EQ(w.calls, 1);
  // The data is still there.
  ASSERT_EQ(vervet_watcher_start(&w), 0);
  EXPECT_TRUE(w.calls_back(2));
}

TEST(Watcher, MayBeTheProcesssFirstUseOfADescriptor) {
  EXPECT_EXIT(
      {
        counted w;
        int ends[2];
        bool opened = pipe(ends) == 0;
        w.fd = ends[1];
        w.events = VERVET_WRITABLE;
        int error = vervet_watcher_start(&w);
        _exit(opened && error == 0 && w.calls_back(1) ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(Watcher, CallsBackAtItsDeadline) {
  pipe_ends p;
  counted w;
  w.fd = p.read_end;
  w.events = VERVET_READABLE;
  w.deadline = vervet_after(2 * millisecond);
  ASSERT_EQ(vervet_watcher_start(&w), 0);
  EXPECT_TRUE(w.calls_back(1));
  EXPECT_EQ(w.last, 0u);
}

TEST(Watcher, DoesNotCallBackOnceStopped) {
  counted w;
  w.deadline = vervet_after(millisecond);
  ASSERT_EQ(vervet_watcher_start(&w), 0);
  vervet_watcher_stop(&w);
  vervet_sleep_for(4 * millisecond);
  EXPECT_EQ(w.calls, 0);
  // Fired, not called back yet.
  w.deadline = vervet_after(0);
  ASSERT_EQ(vervet_watcher_start(&w), 0);
  c_fiber f([&] { vervet_watcher_stop(&w); });
  f.join();
  vervet_sleep_for(millisecond);
  EXPECT_EQ(w.calls, 0);
}

TEST(Watcher, ACallbackThatWaitsDoesNotKeepOthersFromTheirs) {
  struct slow : vervet_watcher {
    std::atomic<bool> open{false}, done{false};
  } slow{};
  slow.fd = -1;
  slow.deadline = vervet_after(0);
  slow.callback = [](vervet_watcher* w, unsigned) {
    auto& self = *static_cast<struct slow*>(w);
    while (!self.open) vervet_sleep_for(millisecond);
    self.done = true;
  };
  counted quick;
  quick.deadline = vervet_after(0);
  ASSERT_EQ(vervet_watcher_start(&slow), 0);
  ASSERT_EQ(vervet_watcher_start(&quick), 0);
  EXPECT_TRUE(quick.calls_back(1));
  EXPECT_FALSE(slow.done);
  slow.open = true;
  while (!slow.done) vervet_sleep_for(millisecond);
}

TEST(HubHandle, OtherThreadsPost) {
  vervet_hub* hub = vervet_hub_here();
  ASSERT_NE(hub, nullptr);
  counted w;
  std::thread stranger([&] {
    usleep(2000);
    EXPECT_EQ(vervet_hub_post(hub, &w), 0);
  });
  auto not_yet = [](void* calls) -> int { return *static_cast<std::atomic<int>*>(calls) == 0; };
  while (w.calls == 0) vervet_park(&w.calls, not_yet, &w.calls, VERVET_NEVER, 0);
  stranger.join();
  vervet_hub_release(hub);
}

TEST(HubHandle, OtherThreadsSpawn) {
  vervet_hub* hub = vervet_hub_here();
  std::thread::id ran_on;
  std::atomic<bool> done{false};
  std::thread stranger([&] {
    vervet_spawn_options options{};
    options.hub = hub;
    c_fiber f(
        [&] {
          vervet_sleep_for(millisecond);
          ran_on = std::this_thread::get_id();
        },
        options);
    EXPECT_EQ(f.join(), 0);
    done = true;
  });
  while (!done) vervet_sleep_for(millisecond);
  stranger.join();
  EXPECT_EQ(ran_on, std::this_thread::get_id());
  vervet_hub_release(hub);
}

TEST(HubHandle, TellsWhenTheThreadHasEnded) {
  vervet_hub* hub = nullptr;
  std::thread([&] { hub = vervet_hub_here(); }).join();
  counted w;
  EXPECT_EQ(vervet_hub_post(hub, &w), ESRCH);
  vervet_spawn_options options{};
  options.size = sizeof options;
  options.hub = hub;
  auto never = [](void* argument) { return argument; };
  EXPECT_EQ(vervet_spawn(nullptr, &options, never, nullptr), ESRCH);
  vervet_hub_release(hub);
}

TEST(HubHandle, AForkedChildHasNoneOfTheHubsThere) {
  vervet_hub* hub = vervet_hub_here();
  pid_t child = fork();
  if (child == 0) {
    counted lost, own;
    bool gone = vervet_hub_post(hub, &lost) == ESRCH;
    vervet_hub* fresh = vervet_hub_here();
    bool posted = fresh != hub && vervet_hub_post(fresh, &own) == 0;
    while (posted && own.calls == 0) vervet_sleep_for(millisecond);
    _exit(gone && posted ? 0 : 1);
  }
  int status = -1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  vervet_hub_release(hub);
}

TEST(HubHandle, ManyThreadsSpawnOnOneHub) {
  constexpr int threads = 4, each = 500;
  vervet_hub* hub = vervet_hub_here();
  std::atomic<int> ran{0}, ended{0};
  std::vector<std::thread> strangers;
  for (int i = 0; i < threads; ++i)
    strangers.emplace_back([&] {
      for (int k = 0; k < each; ++k) {
        vervet_spawn_options options{};
        options.hub = hub;
        c_fiber f([&] { ++ran; }, options);
        EXPECT_EQ(f.join(), 0);
      }
      ++ended;
    });
  while (ended != threads) vervet_sleep_for(millisecond);
  for (auto& t : strangers) t.join();
  EXPECT_EQ(ran, threads * each);
  vervet_hub_release(hub);
}

}  // namespace
}  // namespace vervet::testing
