// fd and pipes.
#include <gtest/gtest.h>

#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <sys/eventfd.h>
#include <unistd.h>

#include <vervet/fd.hpp>
#include <vervet/fiber.hpp>
#include <vervet/run.hpp>

#include "told.hpp"

namespace {

using namespace std::chrono_literals;
using vervet::fd;
using vervet::make_pipe;

TEST(Fd, OfABadNumberThrows) {
  EXPECT_EQ(error_of([] { fd closed(-1); }), std::errc::bad_file_descriptor);
  fd empty;
  char c;
  EXPECT_FALSE(empty);
  EXPECT_EQ(error_of([&] { empty.read_some({&c, 1}); }), std::errc::bad_file_descriptor);
  EXPECT_EQ(error_of([&] { empty.wait_readable(); }), std::errc::bad_file_descriptor);
}

TEST(Fd, PassesBytesThroughAPipe) {
  auto [out, in] = make_pipe();
  auto reader = vervet::spawn([&out = out] {
    std::string all, part(4, 0);
    while (std::size_t n = out.read_some(part)) all.append(part, 0, n);
    return all;
  });
  in.write_all("one ");
  vervet::yield();
  in.write_all("two");
  in.close();
  EXPECT_EQ(reader.get(), "one two");
}

TEST(Fd, MovesAndReleases) {
  auto [out, in] = make_pipe();
  fd other = std::move(out);
  EXPECT_FALSE(out);
  int number = other.release();
  EXPECT_FALSE(other);
  fd again(number);
  in.write_all("x");
  char c = 0;
  EXPECT_EQ(again.read_some({&c, 1}), 1u);
  EXPECT_EQ(c, 'x');
}

TEST(Fd, WritingWithoutAReaderIsAnErrorAndNoSignal) {
  auto [out, in] = make_pipe();
  out.close();
  EXPECT_EQ(error_of([&in = in] { in.write_some("x"); }), std::errc::broken_pipe);
  sigset_t pending;
  sigpending(&pending);
  EXPECT_EQ(sigismember(&pending, SIGPIPE), 0);
}

TEST(Fd, WritingWaitsForRoom) {
  auto [out, in] = make_pipe();
  std::string much(300'000, 'x');
  auto writer = vervet::spawn([&in = in, &much] {
    in.write_all(much);
    in.close();
  });
  std::size_t total = 0;
  std::vector<char> part(10'000);
  while (std::size_t n = out.read_some(part)) total += n;
  EXPECT_EQ(total, much.size());
  writer.get();
}

TEST(Fd, ReadingTimesOutAndGoesOn) {
  auto [out, in] = make_pipe();
  char c = 0;
  EXPECT_THROW(out.read_some({&c, 1}, 1ms), vervet::timed_out);
  EXPECT_THROW(out.read_some({&c, 1}, 0ms), vervet::timed_out);
  EXPECT_THROW(out.wait_readable(0ms), vervet::timed_out);
  in.write_all("y");
  EXPECT_EQ(out.read_some({&c, 1}, 0ms), 1u);
  EXPECT_EQ(c, 'y');
}

TEST(Fd, AKilledReaderLeavesThePipeToTheNext) {
  auto [out, in] = make_pipe();
  auto read = [&out = out] {
    char c = 0;
    out.read_some({&c, 1});
    return c;
  };
  auto first = vervet::spawn(read);
  auto second = vervet::spawn(read);
  vervet::yield();
  vervet_kill(first.native_handle());
  in.write_all("z");
  EXPECT_EQ(second.get(), 'z');
  EXPECT_THROW(first.get(), vervet::fiber_exit);
}

TEST(Fd, CloseWakesWhoWaits) {
  auto [out, in] = make_pipe();
  auto reader = vervet::spawn([&out = out] {
    char c;
    return error_of([&] { out.read_some({&c, 1}); });
  });
  auto waiter = vervet::spawn([&out = out] { return error_of([&] { out.wait_readable(); }); });
  vervet::yield();
  out.close();
  EXPECT_EQ(reader.get(), std::errc::bad_file_descriptor);
  EXPECT_EQ(waiter.get(), std::errc::bad_file_descriptor);
}

TEST(Fd, WaitReadableWorksOnForeignDescriptors) {
  int number = eventfd(0, EFD_CLOEXEC);
  EXPECT_THROW(vervet::wait_readable(number, 0ms), vervet::timed_out);
  vervet::wait_writable(number);
  auto waiter = vervet::spawn([&] { vervet::wait_readable(number); });
  vervet::yield();
  eventfd_write(number, 1);
  waiter.get();
  close(number);
  EXPECT_EQ(error_of([&] { vervet::wait_readable(number); }), std::errc::bad_file_descriptor);
}

TEST(Fd, PassesBytesBetweenThreads) {
  auto [out, in] = make_pipe();
  std::thread writer([&in = in] {
    for (int i = 0; i < 1000; ++i) in.write_all("0123456789");
    in.close();
  });
  std::size_t total = 0;
  char part[64];
  while (std::size_t n = out.read_some(part)) total += n;
  writer.join();
  EXPECT_EQ(total, 10'000u);
}

TEST(Fd, PassesBytesInsideRun) {
  std::size_t total = vervet::run({.workers = 2}, [] {
    auto [out, in] = make_pipe();
    auto writer = vervet::spawn([&in = in] {
      in.write_all(std::string(200'000, 'x'));
      in.close();
    });
    std::size_t total = 0;
    char part[4096];
    while (std::size_t n = out.read_some(part)) total += n;
    writer.get();
    return total;
  });
  EXPECT_EQ(total, 200'000u);
}

TEST(Fd, OneThatIsAlwaysReadyLetsOthersRun) {
  fd zero(open("/dev/zero", O_RDONLY | O_CLOEXEC));
  bool ran = false;
  auto other = vervet::spawn([&] { ran = true; });
  char c;
  for (int i = 0; i < 128; ++i) zero.read_some({&c, 1});
  EXPECT_TRUE(ran);
}

TEST(Fd, ReadingIntoNothingDoesNotWait) {
  auto [out, in] = vervet::make_pipe();
  char c;
  EXPECT_THROW(out.read_some({&c, 1}, 1ms), vervet::timed_out);
  EXPECT_EQ(out.read_some({&c, 0}), 0u);
}

}  // namespace
