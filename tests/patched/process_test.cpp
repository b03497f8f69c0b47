// fork, children and the resolver, with fibers about.
#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <netdb.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "common.hpp"

namespace {

using namespace patched_test;

int status_of(pid_t child) {
  int status = -1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return status;
}

TEST(PatchedProcess, AForkedChildHasTheCallingFiberAlone) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  auto other = vervet::spawn([&] { usleep(50'000); });
  auto parent = vervet::spawn([&] {
    pid_t child = fork();
    if (child == 0) {
      usleep(1000);
      // Fibers of its own.
      auto reader = vervet::spawn([&] {
        char byte = 0;
        return read(ends[0], &byte, 1) == 1 && byte == 'z';
      });
      auto writer = vervet::spawn([&] { return write(ends[1], "z", 1) == 1; });
      bool right = reader.get() && writer.get() && kernel_threads() == 1;
      _exit(right ? 7 : 1);
    }
    int status = status_of(child);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 7);
  });
  parent.get();
  other.get();
  close(ends[0]);
  close(ends[1]);
}

TEST(PatchedProcess, AParentsWaitsGoOnAfterAFork) {
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  auto reader = vervet::spawn([&] {
    char byte = 0;
    EXPECT_EQ(recv(pair[0], &byte, 1, 0), 1);
    EXPECT_EQ(recv(pair[0], &byte, 1, 0), 1);
  });
  usleep(1000);
  pid_t child = fork();
  if (child == 0) {
    close(pair[0]);
    _exit(write(pair[1], "1", 1) == 1 ? 0 : 1);
  }
  EXPECT_EQ(status_of(child), 0);
  usleep(1000);
  EXPECT_EQ(write(pair[1], "2", 1), 1);
  reader.get();
  close(pair[0]);
  close(pair[1]);
}

TEST(PatchedProcess, FibersWaitForTheirChildrenConcurrently) {
  int threads = kernel_threads();
  auto took = time_of([&] {
    run_fibers(5, [](int i) {
      std::string text = "exec sh -c 'sleep 0.2; exit " + std::to_string(i) + "'";
      char* arguments[] = {const_cast<char*>("sh"), const_cast<char*>("-c"), text.data(), nullptr};
      pid_t child;
      ASSERT_EQ(posix_spawn(&child, "/bin/sh", nullptr, nullptr, arguments, environ), 0);
      EXPECT_EQ(WEXITSTATUS(status_of(child)), i);
    });
  });
  EXPECT_EQ(kernel_threads(), threads);
  EXPECT_LT(took, 800ms);
}

TEST(PatchedProcess, CommandsRunConcurrentlyAndRestoreTheMask) {
  sigset_t before, after;
  pthread_sigmask(SIG_SETMASK, nullptr, &before);
  auto took = time_of([&] {
    run_fibers(5, [](int i) {
      std::string command = "sleep 0." + std::to_string(2 + i % 2) + "; exit " + std::to_string(i);
      EXPECT_EQ(WEXITSTATUS(system(command.c_str())), i);
    });
  });
  EXPECT_LT(took, 900ms);
  pthread_sigmask(SIG_SETMASK, nullptr, &after);
  EXPECT_EQ(sigismember(&before, SIGCHLD), sigismember(&after, SIGCHLD));
}

TEST(PatchedProcess, AnyChildIsWaitedForWithoutSigchld) {
  run_fibers(2, [](int i) {
    if (i == 1) return static_cast<void>(usleep(30'000));
    pid_t child = fork();
    if (child == 0) {
      usleep(20'000);
      _exit(3);
    }
    int status = 0;
    EXPECT_EQ(wait(&status), child);
    EXPECT_EQ(WEXITSTATUS(status), 3);
  });
}

TEST(PatchedProcess, AVforkedChildMayExecute) {
  run_fibers(2, [](int) {
    pid_t child = vfork();
    if (child == 0) {
      execl("/bin/true", "true", nullptr);
      _exit(1);
    }
    EXPECT_EQ(status_of(child), 0);
  });
}

TEST(PatchedResolver, NamesAreResolvedOnAPoolsThread) {
  int ran = 0;
  auto other = vervet::spawn([&] {
    for (int i = 0; i < 3; ++i, ++ran) usleep(0);
  });
  run_fibers(4, [](int) {
    addrinfo hints{};
    hints.ai_family = AF_INET;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    ASSERT_EQ(getaddrinfo("localhost", "80", &hints, &found), 0);
    auto* address = reinterpret_cast<sockaddr_in*>(found->ai_addr);
    EXPECT_EQ(ntohl(address->sin_addr.s_addr), INADDR_LOOPBACK);
    EXPECT_EQ(ntohs(address->sin_port), 80);
    char host[64], service[16];
    EXPECT_EQ(getnameinfo(found->ai_addr, found->ai_addrlen, host, sizeof host, service,
                          sizeof service, NI_NUMERICHOST | NI_NUMERICSERV),
              0);
    EXPECT_STREQ(host, "127.0.0.1");
    freeaddrinfo(found);
  });
  other.get();
  EXPECT_EQ(ran, 3);
}

TEST(PatchedResolver, ErrorsComeThrough) {
  run_fibers(2, [](int) {
    addrinfo hints{};
    hints.ai_flags = AI_NUMERICHOST;
    addrinfo* found = nullptr;
    EXPECT_EQ(getaddrinfo("not a number", nullptr, &hints, &found), EAI_NONAME);
    hostent host, *result = nullptr;
    char buffer[1024];
    int error = 0;
    EXPECT_EQ(gethostbyname_r("localhost", &host, buffer, sizeof buffer, &result, &error), 0);
    ASSERT_NE(result, nullptr);
    EXPECT_EQ(result->h_length, 4);
    hostent* simple = gethostbyname("localhost");
    ASSERT_NE(simple, nullptr);
    EXPECT_STREQ(simple->h_name, "localhost");
  });
}

}  // namespace
