// Linked with the unit tests: a process that exits before its tests are over has failed, whatever status the exit
// had. (A flow of another process's, or one that runs after its hub's end, ends in exit(0).)
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include <unistd.h>

namespace {

pid_t under_way = 0;  // the process whose tests are; not its children, which exit as they like

class whole_run : public testing::Environment {
  void SetUp() override { under_way = getpid(); }
  void TearDown() override { under_way = 0; }
};

void at_exit() {
  if (under_way != getpid() || testing::internal::InDeathTestChild()) return;
  std::fputs("exit before the end of the tests\n", stderr);
  _exit(1);
}

[[maybe_unused]] const bool watched = [] {
  testing::AddGlobalTestEnvironment(new whole_run);
  return std::atexit(at_exit) == 0;
}();

}  // namespace
