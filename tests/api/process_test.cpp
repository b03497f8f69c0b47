// process.
#include <gtest/gtest.h>

#include <csignal>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include <vervet/fiber.hpp>
#include <vervet/process.hpp>
#include <vervet/run.hpp>

namespace {

using namespace std::chrono_literals;
using vervet::exit_status;
using vervet::process;
using vervet::standard;

process shell(const std::string& script, const vervet::process_options& options = {}) {
  return process({"/bin/sh", "-c", script}, options);
}

bool is_there(pid_t pid) { return kill(pid, 0) == 0; }

TEST(Process, RefusesWhatCannotBeStarted) {
  EXPECT_THROW(process({}), std::invalid_argument);
  try {
    process({"/no/such/program"});
    FAIL();
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code(), std::errc::no_such_file_or_directory);
  }
}

TEST(Process, TellsHowItHasEnded) {
  EXPECT_TRUE(process({"true"}).wait().success());
  EXPECT_EQ(shell("exit 3").wait(), (exit_status{3, 0}));
  EXPECT_EQ(shell("kill -9 $$").wait(), (exit_status{-1, SIGKILL}));
  process twice = shell("exit 4");
  EXPECT_EQ(twice.wait().code, 4);
  EXPECT_EQ(twice.wait().code, 4);
  EXPECT_EQ(twice.poll()->code, 4);
  EXPECT_FALSE(twice.kill());
}

TEST(Process, WaitingParksTheFiberAlone) {
  process child = shell("read x", {.in = standard::pipe});
  auto waiting = vervet::spawn([&] { return child.wait(); });
  vervet::yield();
  EXPECT_FALSE(child.poll().has_value()) << "while another one waits, too";
  child.in().close();
  EXPECT_EQ(waiting.get().code, 1);
}

TEST(Process, PollTellsTheEndThoughAnotherFiberWaits) {
  vervet::process child({"sleep", "0.02"});
  auto waiting = vervet::spawn([&] { return child.wait().code; });
  std::optional<vervet::exit_status> ended;
  while (!(ended = child.poll())) vervet::yield();
  EXPECT_EQ(ended->code, 0);
  EXPECT_EQ(waiting.get(), 0);
}

TEST(Process, StreamsArePipesOrNothingOrOneAnother) {
  process child = shell("cat; echo err >&2",
                        {.in = standard::pipe, .out = standard::pipe, .err = standard::output});
  child.in().write_all("in ");
  child.in().close();
  std::string all, part(100, 0);
  while (std::size_t n = child.out().read_some(part)) all.append(part, 0, n);
  EXPECT_EQ(all, "in err\n");
  EXPECT_FALSE(child.err());
  EXPECT_EQ(shell("cat; echo x >&2", {.in = standard::null, .err = standard::null}).wait().code, 0);
}

TEST(Process, RunsInADirectoryWithAnEnvironment) {
  vervet::process_options options{.out = standard::pipe};
  options.directory = "/";
  options.environment = {{"GREETING=hello"}};
  process child({"/bin/sh", "-c", "echo $PWD $GREETING $HOME"}, options);
  EXPECT_EQ(child.communicate().out, "/ hello\n");
}

TEST(Process, CommunicateMovesMoreThanThePipesHold) {
  std::string much(1'000'000, 'x');
  auto result = process::run({"/bin/sh", "-c", "tee /dev/stderr"}, much, 10s);
  EXPECT_EQ(result.out, much);
  EXPECT_EQ(result.err, much);
  EXPECT_TRUE(result.status.success());
}

TEST(Process, AnInputThatIsNotReadIsNoError) {
  auto result = process::run({"/bin/sh", "-c", "exec <&-; echo done"}, std::string(300'000, 'x'));
  EXPECT_EQ(result.out, "done\n");
}

TEST(Process, TheChildHasNoSignalBlockedNorIgnored) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  auto result = process::run({"grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"});
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  EXPECT_NE(result.out.find("SigBlk:\t0000000000000000"), std::string::npos) << result.out;
  EXPECT_EQ(result.out.find("SigIgn:\t0000000000001000"), std::string::npos) << result.out;
}

TEST(Process, WaitTimesOutAndTheChildRunsOn) {
  process child({"sleep", "100"}, {.in = standard::pipe});
  EXPECT_THROW(child.wait(1ms), vervet::timed_out);
  EXPECT_THROW(child.communicate("", 0ms), vervet::timed_out);
  EXPECT_TRUE(child.kill(SIGTERM));
  EXPECT_EQ(child.wait().signal, SIGTERM);
}

TEST(Process, RunKillsWhatTakesTooLong) {
  auto before = std::chrono::steady_clock::now();
  EXPECT_THROW(process::run({"sleep", "100"}, "", 10ms), vervet::timed_out);
  EXPECT_LT(std::chrono::steady_clock::now() - before, 5s);
}

TEST(Process, SeveralMayWaitAndAKilledOneLeavesTheRest) {
  process child = shell("read x", {.in = standard::pipe});
  auto first = vervet::spawn([&] { return child.wait(); });
  auto second = vervet::spawn([&] { return child.wait(); });
  auto third = vervet::spawn([&] { return child.wait(); });
  vervet::yield();
  first.kill();
  child.in().close();
  EXPECT_EQ(second.get().code, 1);
  EXPECT_EQ(third.get().code, 1);
  EXPECT_TRUE(first.cancelled());
}

TEST(Process, AKilledCommunicateEndsItsHelpers) {
  process child({"cat"}, {.in = standard::pipe, .out = standard::pipe});
  auto talking = vervet::spawn([&] { child.communicate(std::string(300'000, 'x')); });
  process silent = shell("read x; read y", {.in = standard::pipe, .out = standard::pipe});
  auto waiting = vervet::spawn([&] { silent.communicate(std::string(300'000, 'x')); });
  vervet::yield();
  EXPECT_TRUE(waiting.kill(2s));
  EXPECT_TRUE(waiting.cancelled());
  talking.get();
}

TEST(Process, TheDestructorKillsAndReaps) {
  pid_t pid;
  {
    process child({"sleep", "100"});
    pid = child.pid();
    EXPECT_TRUE(is_there(pid));
  }
  EXPECT_FALSE(is_there(pid));
}

TEST(Process, AReleasedChildLivesOn) {
  process child = shell("read x", {.in = standard::pipe});
  vervet::fd in = std::move(child.in());
  pid_t pid = child.release();
  EXPECT_TRUE(is_there(pid));
  in.close();
  int status;
  EXPECT_EQ(waitpid(pid, &status, 0), pid);
}

TEST(Process, AStatusThatSomebodyElseTookIsAnError) {
  process child({"true"});
  int status;
  EXPECT_EQ(waitpid(child.pid(), &status, 0), child.pid());
  try {
    child.wait();
    FAIL();
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code(), std::errc::no_child_process);
  }
}

TEST(Process, WorksInAnyThreadAndInsideRun) {
  std::thread([] { EXPECT_EQ(process::run({"echo", "thread"}).out, "thread\n"); }).join();
  vervet::run({.workers = 2}, [] {
    std::vector<vervet::fiber<std::string>> all;
    for (int i = 0; i < 10; ++i)
      all.push_back(vervet::spawn([i] { return process::run({"cat"}, std::to_string(i)).out; }));
    for (int i = 0; i < 10; ++i) EXPECT_EQ(all[i].get(), std::to_string(i));
  });
}

}  // namespace
