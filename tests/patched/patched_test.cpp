// What is patched, and what stays as it was.
#include <gtest/gtest.h>

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string>
#include <thread>

#include "common.hpp"

namespace {

using namespace patched_test;

TEST(Patched, TellsTheModeAndTheNames) {
  EXPECT_EQ(vervet::patch_mode(), vervet::patching::linked);
  EXPECT_TRUE(vervet::patched("recv"));
  EXPECT_TRUE(vervet::patched("__poll"));
  EXPECT_FALSE(vervet::patched("memcpy"));
  EXPECT_GT(vervet::patched().size(), 200u);
}

TEST(Patched, TheLaunchersModeWins) {
  std::string command = std::string(VERVET) + " " + PRINT_MODE;
  FILE* out = popen(command.c_str(), "r");
  ASSERT_NE(out, nullptr);
  char line[64] = {};
  EXPECT_NE(fgets(line, sizeof line, out), nullptr);
  EXPECT_EQ(pclose(out), 0);
  EXPECT_STREQ(line, "2\n");
}

TEST(Patched, ChildrenByExecAreNot) {
  FILE* out = popen("cat /proc/self/maps", "r");
  ASSERT_NE(out, nullptr);
  std::string maps;
  char line[512];
  while (fgets(line, sizeof line, out) != nullptr) maps += line;
  EXPECT_EQ(pclose(out), 0);
  EXPECT_EQ(maps.find("vervet"), std::string::npos);
}

TEST(Patched, ThreadsStayNative) {
  run_fibers(1, [](int) {});
  EXPECT_EQ(gettid(), syscall(SYS_gettid));
  int before = kernel_threads();
  std::atomic<bool> end{false};
  pid_t id = 0;
  std::thread other([&] {
    id = static_cast<pid_t>(syscall(SYS_gettid));
    while (!end) std::this_thread::sleep_for(1ms);
  });
  while (kernel_threads() == before) std::this_thread::yield();
  EXPECT_EQ(kernel_threads(), before + 1);
  end = true;
  other.join();
  EXPECT_NE(id, 0);
  EXPECT_LT(id, 1 << 22);
}

TEST(Patched, AFiberThatMakesAThreadMakesANativeOne) {
  std::vector<int> seen;
  run_fibers(2, [&](int i) {
    std::thread t([&] { usleep(20'000); });
    t.join();
    seen.push_back(i);
  });
  EXPECT_EQ(seen.size(), 2u);
}

// Fibers that join threads let the others run.
TEST(Patched, JoinedThreadsRunAtTheSameTime) {
  auto took = time_of([] {
    run_fibers(5, [](int) {
      std::thread t([] { std::this_thread::sleep_for(100ms); });
      t.join();
    });
  });
  EXPECT_LT(took, 300ms);
}

TEST(Patched, AThreadWithoutFibersSleepsInTheKernel) {
  std::thread([] {
    EXPECT_GE(time_of([] { usleep(20'000); }), 20ms);
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    std::thread writer([&] { EXPECT_EQ(write(ends[1], "x", 1), 1); });
    char byte;
    EXPECT_EQ(read(ends[0], &byte, 1), 1);
    writer.join();
    close(ends[0]);
    close(ends[1]);
  }).join();
}

std::atomic<int> handled{0};

TEST(Patched, HandlersRunNativelyAndCallsGoOn) {
  struct sigaction action {};
  action.sa_handler = [](int) { ++handled; };  // no SA_RESTART
  struct sigaction old;
  ASSERT_EQ(sigaction(SIGUSR1, &action, &old), 0);
  pthread_t self = pthread_self();
  std::thread sender([self] {
    std::this_thread::sleep_for(20ms);
    pthread_kill(self, SIGUSR1);
  });
  auto took = time_of([] { run_fibers(3, [](int) { EXPECT_EQ(usleep(60'000), 0); }); });
  sender.join();
  EXPECT_EQ(handled, 1);
  EXPECT_GE(took, 60ms);
  sigaction(SIGUSR1, &old, nullptr);
}

TEST(Patched, SignalMasksAreTheThreads) {
  sigset_t set, old, kernel;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  run_fibers(1, [&](int) { EXPECT_EQ(pthread_sigmask(SIG_BLOCK, &set, &old), 0); });
  sigemptyset(&kernel);
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, nullptr, &kernel, 8);
  EXPECT_EQ(sigismember(&kernel, SIGUSR2), 1);
  EXPECT_EQ(pthread_sigmask(SIG_SETMASK, &old, nullptr), 0);
}

TEST(Patched, ANativeThreadInAConditionWaitCanBeCancelled) {
  run_fibers(1, [](int) {});
  struct {
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
    std::atomic<bool> waits{false};
  } shared;
  auto wait = [](void* argument) -> void* {
    auto& s = *static_cast<decltype(shared)*>(argument);
    pthread_mutex_lock(&s.mutex);
    pthread_cleanup_push([](void* m) { pthread_mutex_unlock(static_cast<pthread_mutex_t*>(m)); },
                         &s.mutex);
    s.waits = true;
    for (;;) pthread_cond_wait(&s.condition, &s.mutex);
    pthread_cleanup_pop(1);
    return nullptr;
  };
  pthread_t thread;
  ASSERT_EQ(pthread_create(&thread, nullptr, wait, &shared), 0);
  while (!shared.waits) std::this_thread::yield();
  std::this_thread::sleep_for(20ms);
  ASSERT_EQ(pthread_cancel(thread), 0);
  void* result = nullptr;
  ASSERT_EQ(pthread_join(thread, &result), 0);
  EXPECT_EQ(result, PTHREAD_CANCELED);
  EXPECT_EQ(pthread_mutex_trylock(&shared.mutex), 0);
  pthread_mutex_unlock(&shared.mutex);
}

}  // namespace
