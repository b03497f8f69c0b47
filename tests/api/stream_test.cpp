// stream.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <malloc.h>

#include <vervet/fd.hpp>
#include <vervet/fiber.hpp>
#include <vervet/run.hpp>
#include <vervet/stream.hpp>
#include <vervet/unix.hpp>

namespace {

using namespace std::chrono_literals;
using vervet::stream;
using vervet::unix_socket;

static_assert(vervet::byte_stream<vervet::fd>);
static_assert(vervet::byte_stream<unix_socket&>);
static_assert(vervet::byte_stream<stream<unix_socket>>);

struct ends {
  explicit ends(std::size_t limit = 65536) : ends(unix_socket::pair(), limit) {}
  stream<unix_socket> here;
  unix_socket there;

 private:
  ends(std::pair<unix_socket, unix_socket> both, std::size_t limit)
      : here(std::move(both.first), limit), there(std::move(both.second)) {}
};

TEST(Stream, RefusesAnEmptyDelimiter) {
  ends e;
  EXPECT_THROW(e.here.read_until(""), std::invalid_argument);
}

TEST(Stream, ReadsLinesAsTheyComeInPieces) {
  ends e;
  auto reader = vervet::spawn([&] {
    std::vector<std::string> lines;
    do lines.push_back(e.here.read_line());
    while (!lines.back().empty());
    return lines;
  });
  for (const char* piece : {"one\ntw", "o", "\n", "\nthree"}) {
    e.there.write_all(piece);
    vervet::yield();
  }
  e.there.close();
  EXPECT_EQ(reader.get(), (std::vector<std::string>{"one\n", "two\n", "\n", "three", ""}));
  EXPECT_TRUE(e.here.eof());
}

TEST(Stream, ReadExactlyWaitsForAllOfItOrTellsWhatCame) {
  ends e;
  e.there.write_all("head");
  EXPECT_EQ(e.here.read_exactly(2), "he");
  EXPECT_EQ(e.here.read_exactly(0), "");
  char two[2];
  e.here.read_exactly(two);
  EXPECT_EQ(std::string(two, 2), "ad");
  e.there.write_all("rest");
  e.there.close();
  try {
    e.here.read_exactly(5);
    FAIL();
  } catch (const vervet::incomplete_read& error) {
    EXPECT_EQ(error.partial(), "rest");
  }
  EXPECT_TRUE(e.here.eof());
}

TEST(Stream, ReadUntilFindsADelimiterAcrossPieces) {
  ends e;
  auto reader = vervet::spawn([&] { return e.here.read_until("\r\n\r\n"); });
  for (const char* piece : {"GET /\r", "\n\r", "\nbody"}) {
    e.there.write_all(piece);
    vervet::yield();
  }
  EXPECT_EQ(reader.get(), "GET /\r\n\r\n");
  EXPECT_EQ(e.here.read(100), "body");
  e.there.write_all("no end");
  e.there.close();
  EXPECT_THROW(e.here.read_until("|"), vervet::incomplete_read);
}

TEST(Stream, ReadUntilStopsAtTheLimitAndReadsNothing) {
  ends e(8);
  e.there.write_all("0123456789");
  EXPECT_THROW(e.here.read_until("\n"), vervet::limit_overrun);
  EXPECT_THROW(e.here.read_line(), vervet::limit_overrun);
  EXPECT_EQ(e.here.read_until("9", 10), "0123456789");
  e.there.write_all("01234567\n");
  EXPECT_THROW(e.here.read_line(), vervet::limit_overrun) << "nine bytes with its end";
  EXPECT_EQ(e.here.read_until("7", 8), "01234567");
}

TEST(Stream, ReadAllAndReadSomeReturnWhatThereIs) {
  ends e;
  std::string much(300'000, 'm');
  auto writer = vervet::spawn([&] {
    e.there.write_all(much);
    e.there.close();
  });
  char part[10];
  EXPECT_EQ(e.here.read_some(part), 10u);
  EXPECT_EQ(e.here.read_all().size(), much.size() - 10);
  EXPECT_EQ(e.here.read(1), "");
  writer.get();
}

TEST(Stream, ATimeoutTakesNothing) {
  ends e;
  e.there.write_all("half a li");
  EXPECT_THROW(e.here.read_line(2ms), vervet::timed_out);
  EXPECT_THROW(e.here.read_exactly(20, 0ms), vervet::timed_out);
  e.there.write_all("ne\n");
  EXPECT_EQ(e.here.read_line(1s), "half a line\n");
}

TEST(Stream, AKilledReaderTakesNothing) {
  ends e;
  auto killed = vervet::spawn([&] { e.here.read_line(); });
  e.there.write_all("half a li");
  vervet::yield();
  vervet::yield();
  killed.kill();
  e.there.write_all("ne\n");
  EXPECT_EQ(e.here.read_line(1s), "half a line\n");
}

TEST(Stream, WritesGatherUntilTheyAreFlushed) {
  ends e;
  e.here.write("a");
  e.here.write("b");
  char part[10];
  EXPECT_THROW(e.there.read_some(part, 0ms), vervet::timed_out);
  e.here.flush();
  EXPECT_EQ(e.there.read_some(part), 2u);
  e.here.write("c");
  e.here.drain();
  EXPECT_EQ(e.there.read_some(part), 1u);
}

TEST(Stream, WhatWasWrittenLeavesBeforeAReadWaits) {
  ends e;
  auto echo = vervet::spawn([&] {
    char part[10];
    e.there.write_all({part, e.there.read_some(part)});
  });
  e.here.write("ping\n");
  EXPECT_EQ(e.here.read_line(1s), "ping\n");
  echo.get();
}

// More than the kernel takes at once; the answer comes when all of it has arrived.
TEST(Stream, TheRestOfAQuestionLeavesWhileAReadWaitsForTheAnswer) {
  ends e;
  std::string question;
  // Gathered, not sent.
  while (question.size() < 60'000) question += "0123456789";
  int small = 1;
  e.here.transport().set_option(SOL_SOCKET, SO_SNDBUF, small);
  auto peer = vervet::spawn([&] {
    stream there(e.there);
    there.read_exactly(question.size());
    there.write("answer\n");
  });
  e.here.write(question);
  EXPECT_EQ(e.here.read_line(2s), "answer\n");
  peer.get();
}

TEST(Stream, ASlowReaderSlowsTheWriterDown) {
  ends e;
  std::size_t written = 0;
  auto writer = vervet::spawn([&] {
    for (int i = 0; i < 5000; ++i) {
      e.here.write(std::string(1000, 'x'));
      written += 1000;
    }
    e.here.close();
  });
  vervet::sleep_for(5ms);
  EXPECT_LT(written, 2'000'000u);
  std::size_t total = 0;
  std::vector<char> part(10'000);
  while (std::size_t n = e.there.read_some(part)) total += n;
  EXPECT_EQ(total, 5'000'000u);
  writer.get();
}

TEST(Stream, AWriteThatTimesOutKeepsTheRest) {
  ends e;
  std::size_t buffered = 0;
  EXPECT_THROW(for (;; buffered += 1000) e.here.write(std::string(1000, 'x'), 1ms),
               vervet::timed_out);
  EXPECT_THROW(e.here.flush(0ms), vervet::timed_out);
  std::size_t total = 0;
  auto reader = vervet::spawn([&] {
    char part[4096];
    while (std::size_t n = e.there.read_some(part)) total += n;
  });
  e.here.close();
  reader.get();
  EXPECT_EQ(total, buffered);
}

// Takes 1000 bytes at a time, and sends as much as one likes.
struct slow_peer {
  std::string got;
  bool takes = true;
  std::size_t read_some(vervet::buffer to, vervet::deadline = {}) {
    takes = true;
    std::memset(to.data(), 'x', 1);
    return 1;
  }
  std::size_t write_some(vervet::const_buffer from, vervet::deadline = {}) {
    if (!std::exchange(takes, false)) throw vervet::timed_out("slow");
    std::size_t n = std::min<std::size_t>(from.size(), 1000);
    got.append(static_cast<const char*>(from.data()), n);
    return n;
  }
};

TEST(Stream, WhatHasLeftTakesNoMemoryThoughMoreIsToGo) {
  slow_peer peer;
  stream<slow_peer&> here(peer);
  auto in_use = [] {
    struct mallinfo2 now = mallinfo2();
    return now.uordblks + now.hblkhd;
  };
  constexpr int rounds = 10000;
  peer.got.reserve(rounds * 1001);
  std::string sent;
  sent.reserve(rounds * 1000 + 20000);
  auto write = [&](std::size_t n, char c) {
    sent.append(n, c);
    here.write(std::string(n, c));
  };
  write(20000, '-');
  std::size_t before = in_use();
  for (int i = 0; i < rounds; ++i) {
    write(1000, static_cast<char>('a' + i % 26));
    here.read(1);
  }
  EXPECT_LT(in_use(), before + 1000000);
  ASSERT_EQ(peer.got.size(), 1000u * rounds);
  EXPECT_TRUE(sent.starts_with(peer.got));
}

TEST(Stream, WriteEofEndsOneSideAlone) {
  ends e;
  e.here.write("question");
  e.here.write_eof();
  stream there(e.there);
  EXPECT_EQ(there.read_all(), "question");
  there.write("answer");
  there.close();
  EXPECT_EQ(e.here.read_all(), "answer");
}

TEST(Stream, TheDestructorSendsWhatGoesWithoutWaiting) {
  auto [a, b] = unix_socket::pair();
  stream(std::move(a)).write("bye");
  EXPECT_EQ(stream(b).read_all(), "bye");
}

TEST(Stream, AClosedPeerIsAnErrorOfTheWriter) {
  ends e;
  e.there.close();
  e.here.write("x");
  EXPECT_THROW(e.here.flush(), std::system_error);
  EXPECT_EQ(e.here.read_line(), "");
}

TEST(Stream, CloseWakesAReader) {
  ends e;
  auto reader = vervet::spawn([&] { EXPECT_THROW(e.here.read_line(), std::system_error); });
  vervet::yield();
  e.here.close();
  reader.get();
}

TEST(Stream, TwoReadersTakeWholeLinesInTurn) {
  ends e;
  auto first = vervet::spawn([&] { return e.here.read_line(); });
  auto second = vervet::spawn([&] { return e.here.read_line(); });
  auto third = vervet::spawn([&] { e.here.read_line(1ms); });
  vervet::yield();
  e.there.write_all("on");
  EXPECT_THROW(third.get(), vervet::timed_out);
  e.there.write_all("e\ntwo\n");
  EXPECT_EQ(first.get(), "one\n");
  EXPECT_EQ(second.get(), "two\n");
}

TEST(Stream, MovesAndReadsFromPipes) {
  auto [out, in] = vervet::make_pipe();
  stream reader(std::move(out));
  stream moved = std::move(reader);
  in.write_all("line\n");
  EXPECT_EQ(moved.read_line(), "line\n");
}

TEST(Stream, IsReadInOneThreadAndWrittenInAnother) {
  ends e;
  std::thread echoing([&] {
    stream there(e.there);
    for (std::string line; !(line = there.read_line()).empty();) {
      there.write(line);
      there.flush();
    }
    there.close();
  });
  std::thread writing([&] {
    for (int i = 0; i < 1000; ++i) e.here.write(std::to_string(i) + "\n");
    e.here.write_eof();
  });
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(e.here.read_line(), std::to_string(i) + "\n");
  EXPECT_EQ(e.here.read_line(), "");
  writing.join();
  echoing.join();
}

TEST(Stream, WorksInsideRun) {
  vervet::run({.workers = 2}, [] {
    ends e;
    auto echo = vervet::spawn([&] {
      stream there(e.there);
      for (std::string line; !(line = there.read_line()).empty();) there.write(line);
      there.close();
    });
    auto writing = vervet::spawn([&] {
      for (int i = 0; i < 1000; ++i) e.here.write(std::to_string(i) + "\n");
      e.here.write_eof();
    });
    for (int i = 0; i < 1000; ++i) ASSERT_EQ(e.here.read_line(), std::to_string(i) + "\n");
    joinall(echo, writing);
  });
}

}  // namespace
