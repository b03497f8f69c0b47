// Kills and scopes with deadlines end patched calls that can fail, and no others.
#include <gtest/gtest.h>

#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <utility>

#include <vervet/abi.h>

#include "common.hpp"

namespace {

using namespace patched_test;

struct sockets {
  sockets() { EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, end), 0); }
  ~sockets() {
    close(end[0]);
    close(end[1]);
  }
  int end[2];
};

struct call {
  const char* name;
  std::function<long(sockets&)> wait;  // for ever, or for long
};

void PrintTo(const call& c, std::ostream* out) { *out << c.name; }

const call calls[] = {
    {"recv",
     [](sockets& s) {
       char b;
       return recv(s.end[0], &b, 1, 0);
     }},
    {"read",
     [](sockets& s) {
       char b;
       return read(s.end[0], &b, 1);
     }},
    {"poll",
     [](sockets& s) {
       pollfd p{s.end[0], POLLIN, 0};
       return long{poll(&p, 1, -1)};
     }},
    {"poll_two",
     [](sockets& s) {
       pollfd p[2] = {{s.end[0], POLLIN, 0}, {s.end[1], POLLIN, 0}};
       return long{poll(p, 2, 10'000)};
     }},
    {"select",
     [](sockets& s) {
       fd_set set;
       FD_ZERO(&set);
       FD_SET(s.end[0], &set);
       return long{select(s.end[0] + 1, &set, nullptr, nullptr, nullptr)};
     }},
    {"nanosleep",
     [](sockets&) {
       timespec t{10, 0};
       return long{nanosleep(&t, nullptr)};
     }},
    {"usleep", [](sockets&) { return long{usleep(10'000'000)}; }},
    {"sem_wait",
     [](sockets&) {
       sem_t s;
       sem_init(&s, 0, 0);
       return long{sem_wait(&s)};
     }},
    {"waitpid",
     [](sockets&) {
       pid_t pid = fork();
       if (pid == 0) {
         pause();
         _exit(0);
       }
       long result = waitpid(pid, nullptr, 0);
       int error = errno;
       ::kill(pid, SIGKILL);
       errno = error;
       return result;
     }},
    {"system", [](sockets&) { return long{system("exec sleep 10")}; }},
};

class PatchedCut : public testing::TestWithParam<call> {};

TEST_P(PatchedCut, AKillEndsTheCallWithECANCELED) {
  sockets s;
  long result = 0;
  int error = 0;
  auto fiber = vervet::spawn([&] {
    result = GetParam().wait(s);
    error = errno;
    usleep(0);
  });
  usleep(20'000);
  auto took = time_of([&] {
    EXPECT_EQ(vervet_kill(fiber.native_handle()), 0);
    fiber.join();
  });
  EXPECT_EQ(result, -1);
  EXPECT_EQ(error, ECANCELED);
  EXPECT_LT(took, 1s);
}

TEST_P(PatchedCut, ADeadlineAroundItEndsTheCallWithECANCELED) {
  sockets s;
  run_fibers(2, [&](int) {
    vervet_scope scope{};
    scope.deadline = vervet_after(50'000'000);
    vervet_scope_enter(&scope);
    auto took = time_of([&] {
      EXPECT_EQ(GetParam().wait(s), -1);
      EXPECT_EQ(errno, ECANCELED);
    });
    vervet_scope_leave(&scope);
    EXPECT_GE(took, 49ms);
    EXPECT_LT(took, 1s);
  });
}

INSTANTIATE_TEST_SUITE_P(Calls, PatchedCut, testing::ValuesIn(calls),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(PatchedCut, TheCutStaysDueForTheNextWaitOfTheApi) {
  sockets s;
  bool thrown = false;
  auto fiber = vervet::spawn([&] {
    char byte;
    EXPECT_EQ(recv(s.end[0], &byte, 1, 0), -1);
    EXPECT_EQ(errno, ECANCELED);
    try {
      vervet::sleep_for(1s);
    } catch (...) {
      thrown = true;
      throw;
    }
  });
  usleep(1000);
  fiber.kill();
  EXPECT_TRUE(thrown);
}

TEST(PatchedCut, WhatCannotFailIsNotCut) {
  pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t c = PTHREAD_COND_INITIALIZER;
  bool ready = false;
  pthread_mutex_lock(&m);
  auto locker = vervet::spawn([&] {
    EXPECT_EQ(pthread_mutex_lock(&m), 0);
    while (!ready) EXPECT_EQ(pthread_cond_wait(&c, &m), 0);
    EXPECT_EQ(pthread_mutex_unlock(&m), 0);
  });
  usleep(1000);
  EXPECT_EQ(vervet_kill(locker.native_handle()), 0);
  usleep(10'000);
  EXPECT_FALSE(locker.has_ended());
  pthread_mutex_unlock(&m);
  usleep(10'000);
  EXPECT_FALSE(locker.has_ended());
  pthread_mutex_lock(&m);
  ready = true;
  pthread_cond_signal(&c);
  pthread_mutex_unlock(&m);
  EXPECT_TRUE(locker.join());
}

}  // namespace
