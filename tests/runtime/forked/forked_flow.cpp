// A flow whose process forks, for flow_state_test.cpp: prints what the child still has of it, in the
// main thread's own flow, in another thread's, and beside and in light fibers of both.
#include <cstdio>
#include <thread>

#include <sys/wait.h>
#include <unistd.h>

#include <vervet/abi.h>

namespace {

int mine;

void fork_in(const char* place) {
  *vervet_local_slot() = &mine;
  vervet_scope past{0, 0, 0, 0, nullptr, nullptr, nullptr};
  vervet_scope_enter(&past);
  pid_t child = fork();
  if (child == 0) {
    bool cut = vervet_sleep_for(1) != 0;
    vervet_scope_leave(&past);
    bool uncut = vervet_sleep_for(1) == 0;
    bool local = *vervet_local_slot() == &mine;
    std::printf("%s:%s%s%s\n", place, cut ? " cut" : "", uncut ? " uncut" : "",
                local ? " local" : "");
    std::fflush(stdout);
    _exit(0);
  }
  vervet_scope_leave(&past);
  waitpid(child, nullptr, 0);
}

void* fork_in_light(void* hosts_turn) {
  while (*static_cast<bool*>(hosts_turn)) vervet_yield();
  fork_in("light");
  return nullptr;
}

void fork_everywhere() {
  fork_in("alone");
  vervet_fiber* light = nullptr;
  bool hosts_turn = true;
  vervet_spawn(&light, nullptr, fork_in_light, &hosts_turn);
  fork_in("host");
  hosts_turn = false;
  vervet_join(light, nullptr, VERVET_NEVER);
  vervet_release(light);
}

}  // namespace

int main() {
  fork_everywhere();
  std::thread(fork_everywhere).join();
}
