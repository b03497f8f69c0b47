#include "runtime/poller.h"

#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <thread>

namespace vervet {
namespace {

class Poller : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(poller_.open(), 0);
    ASSERT_EQ(pipe(pipe_), 0);
  }
  void TearDown() override {
    poller_.close();
    close(pipe_[0]);
    close(pipe_[1]);
  }
  poller poller_;
  int pipe_[2];
  poll_event events_[poller::batch];
};

TEST_F(Poller, RefusesWhatCannotBePolled) {
  int file = open("/proc/self/exe", O_RDONLY);
  EXPECT_EQ(poller_.add(file, 1), -EPERM);
  close(file);
  EXPECT_EQ(poller_.add(file, 1), -EBADF);
}

TEST_F(Poller, RefusesTheSameDescriptorTwice) {
  ASSERT_EQ(poller_.add(pipe_[0], 1), 0);
  EXPECT_EQ(poller_.add(pipe_[0], 2), -EEXIST);
}

TEST_F(Poller, ReportsAnEdgeOnceWithItsCookie) {
  ASSERT_EQ(poller_.add(pipe_[0], 77), 0);
  ASSERT_EQ(write(pipe_[1], "x", 1), 1);
  ASSERT_EQ(poller_.wait(events_, at_once), 1);
  EXPECT_EQ(events_[0].cookie, 77u);
  EXPECT_TRUE(events_[0].events & EPOLLIN);
  EXPECT_EQ(poller_.wait(events_, at_once), 0);
  ASSERT_EQ(write(pipe_[1], "x", 1), 1);
  EXPECT_EQ(poller_.wait(events_, at_once), 1);
}

TEST_F(Poller, ModifyReportsThePresentStateAgain) {
  ASSERT_EQ(poller_.add(pipe_[0], 1), 0);
  ASSERT_EQ(write(pipe_[1], "x", 1), 1);
  ASSERT_EQ(poller_.wait(events_, at_once), 1);
  ASSERT_EQ(poller_.modify(pipe_[0], 2), 0);
  ASSERT_EQ(poller_.wait(events_, at_once), 1);
  EXPECT_EQ(events_[0].cookie, 2u);
}

TEST_F(Poller, TimesOutNotBeforeTheDeadline) {
  deadline until = after(15'000'000);
  EXPECT_EQ(poller_.wait(events_, until), 0);
  EXPECT_GE(now(), until);
}

TEST_F(Poller, AnInterruptBeforeTheWaitIsNotLost) {
  poller_.interrupt();
  EXPECT_EQ(poller_.wait(events_, never), 0);
}

TEST_F(Poller, AnInterruptWakesASleeper) {
  std::thread sleeper([&] { EXPECT_EQ(poller_.wait(events_, never), 0); });
  poller_.interrupt();
  sleeper.join();
}

}  // namespace
}  // namespace vervet
