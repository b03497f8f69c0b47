// Reports of fibers that hold their hub: the program blocking_fibers under
// VERVET_MAX_BLOCKING_TIME.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <regex>
#include <string>

#include <sys/wait.h>
#include <unistd.h>

#include "runtime/sanitizer.h"

namespace {

struct run {
  int status = -1;
  std::string output;  // what the fibers saw
  std::string report;  // stderr

  bool says(const std::string& pattern) const {
    return std::regex_search(report, std::regex(pattern));
  }
  int reports() const {
    static const std::regex first_line("has held its hub for [0-9]+ ms:\n");
    return static_cast<int>(std::distance(
        std::sregex_iterator(report.begin(), report.end(), first_line), std::sregex_iterator()));
  }
};

std::string content_of(FILE* file) {
  std::string text;
  rewind(file);
  for (int c; (c = getc(file)) != EOF;) text += static_cast<char>(c);
  fclose(file);
  return text;
}

// Runs `blocking_fibers scene` under the limit (null: without one).
run watch(const char* scene, const char* limit = "100ms", bool launched = false) {
  FILE* out = tmpfile();
  FILE* err = tmpfile();
  pid_t child = fork();
  if (child == 0) {
    dup2(fileno(out), 1);
    dup2(fileno(err), 2);
    unsetenv("VERVET_MAX_BLOCKING_TIME");
    if (limit != nullptr) setenv("VERVET_MAX_BLOCKING_TIME", limit, 1);
    if (launched)
      execl(VERVET, VERVET, BLOCKING_FIBERS, scene, nullptr);
    else
      execl(BLOCKING_FIBERS, BLOCKING_FIBERS, scene, nullptr);
    _exit(127);
  }
  run r;
  int status = 0;
  waitpid(child, &status, 0);
  r.status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  r.output = content_of(out);
  r.report = content_of(err);
  return r;
}

TEST(Watchdog, RefusesATimeThatIsNone) {
  for (const char* limit : {"5", "100us", "2h", "-1s", "", "99999999999999999999s"}) {
    run r = watch("no_fibers", limit);
    EXPECT_EQ(r.status, 2) << limit;
    EXPECT_EQ(r.report, std::string("vervet: VERVET_MAX_BLOCKING_TIME=") + limit +
                            ": expected a time from 1ms to 3600s, such as 100ms\n");
  }
}

#ifndef VERVET_TSAN  // it is not for the preload library
TEST(Watchdog, RefusesATimeThatIsNoneBeforeALaunchedProgramStarts) {
  run r = watch("compute", "soon", true);
  EXPECT_EQ(r.status, 2);
  EXPECT_EQ(r.reports(), 0);
}
#endif

TEST(Watchdog, IsOffUnlessAskedFor) {
  run r = watch("compute", nullptr);
  EXPECT_EQ(r.status, 0);
  EXPECT_EQ(r.report, "");
}

TEST(Watchdog, ReportsAFiberThatComputesOnceWithItsStack) {
  run r = watch("compute");
  EXPECT_EQ(r.status, 0);
  EXPECT_EQ(r.reports(), 1) << r.report;
  EXPECT_TRUE(r.says("^vervet: fiber 'cruncher' \\(#1\\) has held its hub for [0-9]+ ms:\n"))
      << r.report;
  EXPECT_TRUE(
      r.says("\n  .*blocking_fibers\\(compute_for\\+0x[0-9a-f]+\\) \\[0x[0-9a-f]+\\]\n"
             "(  .*\n)*  .*blocking_fibers\\("))
      << r.report;
}

TEST(Watchdog, ReportsTheTimeThatItSaw) {
  run r = watch("compute");
  std::smatch found;
  ASSERT_TRUE(std::regex_search(r.report, found, std::regex("for ([0-9]+) ms:"))) << r.report;
  EXPECT_GE(std::stoi(found[1]), 100);
}

TEST(Watchdog, NamesANamelessFiberByItsNumber) {
  run r = watch("nameless");
  EXPECT_EQ(r.reports(), 1);
  EXPECT_TRUE(r.says("^vervet: fiber #1 has held")) << r.report;
}

TEST(Watchdog, ReportsTheNextOffenceOfTheSameFiber) {
  run r = watch("twice");
  EXPECT_EQ(r.reports(), 2) << r.report;
}

TEST(Watchdog, NeedsLittleOfTheFibersStack) {
  run r = watch("small_stack");
  EXPECT_EQ(r.status, 0);
  EXPECT_EQ(r.reports(), 1) << r.report;
  EXPECT_TRUE(r.says("'narrow'(.*\n)*.*compute_for")) << r.report;
}

TEST(Watchdog, LetsFibersComputeThatYield) { EXPECT_EQ(watch("yield", "300ms").report, ""); }

TEST(Watchdog, LetsAHubSleep) { EXPECT_EQ(watch("sleep").report, ""); }

TEST(Watchdog, LetsAThreadComputeThatHasNoFibers) { EXPECT_EQ(watch("no_fibers").report, ""); }

TEST(Watchdog, ReportsTheHostsOwnFlowWhileFibersWait) {
  run r = watch("host");
  EXPECT_EQ(r.reports(), 1);
  EXPECT_TRUE(
      r.says("^vervet: the host's own flow has held(.*\n)*.*compute_for(.*\n)*.*\\(main\\+"))
      << r.report;
}

TEST(Watchdog, WatchesTheHubOfEveryThread) {
  run r = watch("threads");
  EXPECT_EQ(r.status, 0);
  EXPECT_EQ(r.reports(), 4) << r.report;
  for (const char* name : {"first", "second", "third", "fourth"})
    EXPECT_TRUE(r.says(std::string("fiber '") + name + "'")) << name;
}

#ifndef VERVET_TSAN  // it makes no threads in a forked child
TEST(Watchdog, WatchesAForkedChildOnceItHasAHub) {
  run r = watch("fork");
  EXPECT_EQ(r.output, "child ended with 3\n");
  EXPECT_EQ(r.reports(), 2) << r.report;
  EXPECT_TRUE(r.says("'child'(.*\n)*.*compute_for")) << r.report;
}
#endif

#ifndef VERVET_TSAN  // its own thread cannot run our handler
TEST(Watchdog, LeavesLibcItsUseOfTheSignal) {
  run r = watch("setuid");
  EXPECT_EQ(r.status, 0);
  EXPECT_EQ(r.output, "setuid=0\n");
  EXPECT_EQ(r.reports(), 2) << r.report;
}
#endif

// What a blocking call gives must not depend on whether somebody looks. `whole`: whether the stack
// is known beyond the call.
void expect_undisturbed(const char* scene, const std::string& output, bool whole = true) {
#ifdef VERVET_TSAN  // inside the calls that it intercepts it does not see a handler's atomics
  setenv("TSAN_OPTIONS", "report_bugs=0", 1);
#endif
  run unwatched = watch(scene, nullptr);
  EXPECT_EQ(unwatched.output, output) << scene;
  run r = watch(scene);
  EXPECT_EQ(r.status, 0) << scene;
  EXPECT_EQ(r.output, output) << scene;
  EXPECT_EQ(r.reports(), 1) << scene << '\n' << r.report;
  EXPECT_EQ(r.says("blocking_fibers\\("), whole) << scene << '\n' << r.report;
  EXPECT_EQ(r.says("\n  \\(its callers are not known"), !whole) << scene << '\n' << r.report;
}

TEST(Watchdog, DisturbsNoSleep) {
  expect_undisturbed("nanosleep", "nanosleep=0 errno=0 whole\n");
  expect_undisturbed("clock_nanosleep", "clock_nanosleep=0 errno=0 whole\n");
}

TEST(Watchdog, DisturbsNoPoll) {
  expect_undisturbed("poll", "poll=0 errno=0 whole\n");
  expect_undisturbed("ppoll", "ppoll=0 errno=0 whole\n");
  expect_undisturbed("select", "select=0 errno=0 whole\n");
  expect_undisturbed("epoll_forever", "epoll_wait=1 errno=0 whole\n");
  expect_undisturbed("epoll", "epoll_wait=0 errno=0 whole\n", false);
}

TEST(Watchdog, DisturbsNoTransfer) {
  expect_undisturbed("read", "read=0 errno=0 whole\n");
  expect_undisturbed("recv_limited", "recv=-1 errno=11 whole\ntimed out\n", false);
  expect_undisturbed("write", "write=1048576 errno=0 whole\n", false);
}

TEST(Watchdog, DisturbsNoConditionVariable) {
  expect_undisturbed("condition", "timed out=0 errno=0 whole\n");
}

TEST(Watchdog, LeavesTheCallOpenToTheProgramsOwnSignals) {
  expect_undisturbed("own_signal",
                     "nanosleep=-1 errno=4 whole\ninterrupted, time left\nmask empty\n");
}

TEST(Watchdog, WatchesHubsHostedByFullFibers) {
  run r = watch("threads", "100ms", true);
  EXPECT_EQ(r.status, 0);
  EXPECT_EQ(r.reports(), 4) << r.report;
  EXPECT_TRUE(r.says("'fourth'(.*\n)*.*compute_for")) << r.report;
  // Intercepted, a blocking call lets the others run.
  EXPECT_EQ(watch("nanosleep", "100ms", true).report, "");
}

}  // namespace
