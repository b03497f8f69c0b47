#include "interpose/launcher_options.h"

#include <gtest/gtest.h>

namespace vervet::launcher {
namespace {

using words = std::vector<std::string>;

parsed parse(const words& arguments) { return parse_command_line(arguments, "1.2.3"); }

// The line that a bad command line is refused with.
std::string complaint(const words& arguments) {
  parsed line = parse(arguments);
  EXPECT_FALSE(line.wanted) << line.wanted->command.front();
  EXPECT_EQ(line.status, 2);
  EXPECT_EQ(line.text.find('\n'), std::string::npos) << line.text;
  return line.text;
}

void expect_mentions(const std::string& text, const words& parts) {
  for (const std::string& part : parts)
    EXPECT_NE(text.find(part), std::string::npos) << text << " does not mention " << part;
}

TEST(LauncherOptions, NoProgramIsRefused) {
  expect_mentions(complaint({}), {"no program"});
  expect_mentions(complaint({"--workers", "2"}), {"no program"});
  expect_mentions(complaint({"--"}), {"no program"});
}

TEST(LauncherOptions, AnUnknownOptionIsRefusedAndNotTakenForTheProgram) {
  expect_mentions(complaint({"--worker", "2", "true"}), {"--worker"});
  expect_mentions(complaint({"-x", "true"}), {"-x"});
}

TEST(LauncherOptions, BadWorkersAreRefusedWithTheRange) {
  for (const char* bad : {"0", "257", "-1", "two", "", "2x", "99999999999999999999"})
    expect_mentions(complaint({"--workers", bad, "true"}), {"--workers", "1 to 256", bad});
}

TEST(LauncherOptions, BadStackSizesAreRefusedWithTheRange) {
  for (const char* bad :
       {"16383", "15K", "2G", "0", "1T", "K", "1KB", "-64K", "18014398509481984K"})
    expect_mentions(complaint({"--stack-size", bad, "true"}), {"--stack-size", "16K to 1G", bad});
}

TEST(LauncherOptions, BadThreadsAreRefusedWithTheChoice) {
  expect_mentions(complaint({"--threads", "green", "true"}), {"--threads", "fiber or native"});
}

TEST(LauncherOptions, AMissingValueIsRefused) {
  expect_mentions(complaint({"--workers"}), {"--workers"});
}

TEST(LauncherOptions, ValuesAreTaken) {
  parsed line =
      parse({"--workers=256", "--stack-size", "64k", "--threads", "native", "--stats", "prog"});
  ASSERT_TRUE(line.wanted) << line.text;
  EXPECT_EQ(line.wanted->workers, 256u);
  EXPECT_EQ(line.wanted->stack_size, 65536u);
  EXPECT_EQ(line.wanted->threads, "native");
  EXPECT_TRUE(line.wanted->stats);
  EXPECT_EQ(line.wanted->command, words{"prog"});
}

TEST(LauncherOptions, WhatIsNotAskedForIsLeftOpen) {
  parsed line = parse({"prog"});
  ASSERT_TRUE(line.wanted) << line.text;
  EXPECT_FALSE(line.wanted->workers);
  EXPECT_FALSE(line.wanted->stack_size);
  EXPECT_FALSE(line.wanted->threads);
  EXPECT_FALSE(line.wanted->stats);
}

TEST(LauncherOptions, TheLastOfRepeatedOptionsCounts) {
  parsed line = parse({"--workers", "2", "--workers", "3", "prog"});
  ASSERT_TRUE(line.wanted) << line.text;
  EXPECT_EQ(line.wanted->workers, 3u);
}

TEST(LauncherOptions, EverythingAfterTheProgramIsItsOwn) {
  words command = {"prog", "--help", "--workers", "0", "--", "-x", "++", "", "--version"};
  parsed line = parse(command);
  ASSERT_TRUE(line.wanted) << line.text;
  EXPECT_EQ(line.wanted->command, command);
  EXPECT_FALSE(line.wanted->workers);
}

TEST(LauncherOptions, ADoubleDashEndsTheOptions) {
  parsed line = parse({"--stats", "--", "--prog", "--", "--stats"});
  ASSERT_TRUE(line.wanted) << line.text;
  EXPECT_EQ(line.wanted->command, (words{"--prog", "--", "--stats"}));
}

TEST(LauncherOptions, HelpAndVersionEndWithSuccess) {
  for (const char* option : {"--help", "-h"}) {
    parsed line = parse({option});
    EXPECT_FALSE(line.wanted);
    EXPECT_EQ(line.status, 0);
    expect_mentions(line.text, {"vervet [options] program", "--workers", "--stack-size",
                                "--threads", "--stats", "--version"});
  }
  EXPECT_EQ(parse({"--version"}).text, "vervet 1.2.3\n");
}

TEST(LauncherOptions, SizesMayHaveASuffix) {
  EXPECT_EQ(parse_size("17"), 17u);
  EXPECT_EQ(parse_size("17k"), 17u << 10);
  EXPECT_EQ(parse_size("17M"), 17u << 20);
  EXPECT_EQ(parse_size("17g"), size_t{17} << 30);
  for (const char* bad : {"", "k", "17kk", "17 k", "+17", "0x17", "99999999999G"})
    EXPECT_FALSE(parse_size(bad)) << bad;
}

}  // namespace
}  // namespace vervet::launcher
