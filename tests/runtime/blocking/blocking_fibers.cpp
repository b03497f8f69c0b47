// Fibers that hold their hub, for watchdog_test.cpp: blocking_fibers SCENE. Prints what the fiber
// saw of the call that it blocked in; the reports go to stderr. Its functions are exported, so that
// a report can name them.
#include <vervet/vervet.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

constexpr long milliseconds = 1'000'000;
// Several times the limit that the test sets.
constexpr long span = 400;

long now_ms() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000 + t.tv_nsec / milliseconds;
}

timespec time_of(long ms) { return {ms / 1000, ms % 1000 * milliseconds}; }

// What a call gave, and whether it took its time.
void tell(const char* what, long result, int error, long began) {
  printf("%s=%ld errno=%d %s\n", what, result, result < 0 ? error : 0,
         now_ms() - began >= span ? "whole" : "short");
}

template <typename Call>
void tell(const char* what, Call call) {
  long began = now_ms();
  long result = call();
  tell(what, result, errno, began);
}

void nothing(int) {}

}  // namespace

extern "C" __attribute__((noinline, visibility("default"))) void compute_for(long ms) {
  for (long end = now_ms() + ms; now_ms() < end;) {
  }
}

extern "C" __attribute__((noinline, visibility("default"))) void sleep_in_the_kernel() {
  timespec time = time_of(span);
  tell("nanosleep", [&] { return nanosleep(&time, nullptr); });
}

namespace {

using body = std::function<void()>;

void* enter(void* argument) {
  (*static_cast<body*>(argument))();
  return nullptr;
}

// Runs `b` as a fiber to its end, while another one waits.
void in_a_fiber(const char* name, body b) {
  vervet_spawn_options options{};
  options.size = sizeof options;
  options.name = name;
  vervet_fiber* fiber;
  if (int error = vervet_spawn(&fiber, &options, enter, &b); error != 0) {
    printf("vervet_spawn: %s\n", strerror(error));
    exit(1);
  }
  vervet_join(fiber, nullptr, VERVET_NEVER);
  vervet_release(fiber);
}

// Closes the write end, or writes a byte, after the span.
struct late_pipe {
  int ends[2];
  std::thread other;
  explicit late_pipe(body at_the_end) {
    if (pipe(ends) != 0) exit(1);
    other = std::thread([at_the_end] {
      timespec time = time_of(span + 50);
      nanosleep(&time, nullptr);
      at_the_end();
    });
  }
  ~late_pipe() { other.join(); }
};

void compute_without_yielding() {
  in_a_fiber("cruncher", [] { compute_for(span); });
}

void compute_nameless() {
  in_a_fiber(nullptr, [] { compute_for(span); });
}

void compute_twice() {
  in_a_fiber("again", [] {
    compute_for(span);
    vervet_yield();
    compute_for(span);
  });
}

void compute_on_a_small_stack() {
  vervet_spawn_options options{};
  options.size = sizeof options;
  options.name = "narrow";
  options.stack_size = 16 * 1024;
  body b = [] { compute_for(span); };
  vervet_fiber* fiber;
  if (vervet_spawn(&fiber, &options, enter, &b) != 0) exit(1);
  vervet_join(fiber, nullptr, VERVET_NEVER);
  vervet_release(fiber);
}

void compute_and_yield() {
  in_a_fiber("polite", [] {
    for (long end = now_ms() + 2 * span; now_ms() < end;) {
      compute_for(2);
      vervet_yield();
    }
  });
}

void wait_as_fibers_do() {
  in_a_fiber("sleeper", [] { vervet_sleep_for(3 * span * milliseconds); });
}

void compute_without_fibers() {
  in_a_fiber("brief", [] {});
  compute_for(span);
}

void host_computes() {
  vervet_spawn(
      nullptr, nullptr, [](void*) -> void* { return nullptr; }, nullptr);
  compute_for(span);
  vervet_yield();
}

void on_three_threads() {
  std::vector<std::thread> threads;
  for (const char* name : {"first", "second", "third"})
    threads.emplace_back([name] { in_a_fiber(name, [] { compute_for(span); }); });
  for (auto& t : threads) t.join();
  // A hub that is used again.
  std::thread([] { in_a_fiber("fourth", [] { compute_for(span); }); }).join();
}

void nanosleep_scene() { in_a_fiber("sleepy", sleep_in_the_kernel); }

void clock_nanosleep_scene() {
  in_a_fiber("sleepy", [] {
    timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    time.tv_nsec += span * milliseconds;
    time.tv_sec += time.tv_nsec / (1000 * milliseconds);
    time.tv_nsec %= 1000 * milliseconds;
    tell("clock_nanosleep",
         [&] { return clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nullptr); });
  });
}

void poll_scene() {
  in_a_fiber("poller", [] { tell("poll", [] { return poll(nullptr, 0, span); }); });
}

void ppoll_scene() {
  in_a_fiber("poller", [] {
    timespec time = time_of(span);
    tell("ppoll", [&] { return ppoll(nullptr, 0, &time, nullptr); });
  });
}

void select_scene() {
  in_a_fiber("selector", [] {
    timeval time{0, span * 1000};
    tell("select", [&] { return select(0, nullptr, nullptr, nullptr, &time); });
  });
}

void epoll_scene() {
  in_a_fiber("waiter", [] {
    int epfd = epoll_create1(0);
    epoll_event event;
    tell("epoll_wait", [&] { return epoll_wait(epfd, &event, 1, span); });
  });
}

void epoll_forever_scene() {
  in_a_fiber("waiter", [] {
    int epfd = epoll_create1(0);
    late_pipe p([&] { close(p.ends[1]); });
    epoll_event event{};
    event.events = EPOLLIN;
    epoll_ctl(epfd, EPOLL_CTL_ADD, p.ends[0], &event);
    tell("epoll_wait", [&] { return epoll_wait(epfd, &event, 1, -1); });
  });
}

void read_scene() {
  in_a_fiber("reader", [] {
    late_pipe p([&] { close(p.ends[1]); });
    char byte;
    tell("read", [&] { return read(p.ends[0], &byte, 1); });
  });
}

void recv_limited_scene() {
  in_a_fiber("receiver", [] {
    int pair[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    timeval time{0, span * 1000};
    setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
    char byte;
    long result = -1;
    tell("recv", [&] { return result = recv(pair[0], &byte, 1, 0); });
    printf("%s\n", errno == EAGAIN ? "timed out" : strerror(errno));
  });
}

void write_scene() {
  in_a_fiber("writer", [] {
    int ends[2];
    if (pipe(ends) != 0) exit(1);
    std::vector<char> data(1 << 20);
    std::thread reader([&] {
      timespec time = time_of(span + 50);
      nanosleep(&time, nullptr);
      char part[4096];
      while (read(ends[0], part, sizeof part) > 0) {
      }
    });
    tell("write", [&] { return write(ends[1], data.data(), data.size()); });
    close(ends[1]);
    reader.join();
  });
}

void condition_scene() {
  in_a_fiber("patient", [] {
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
    timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    time.tv_nsec += (span + 1) * milliseconds;
    time.tv_sec += time.tv_nsec / (1000 * milliseconds);
    time.tv_nsec %= 1000 * milliseconds;
    pthread_mutex_lock(&mutex);
    long began = now_ms();
    int error = pthread_cond_timedwait(&condition, &mutex, &time);
    tell(error == ETIMEDOUT ? "timed out" : "woken", 0, 0, began);
    pthread_mutex_unlock(&mutex);
  });
}

// The report comes first, the program's own signal after it, in the same call.
void own_signal_scene() {
  struct sigaction action {};
  action.sa_handler = nothing;
  sigaction(SIGUSR1, &action, nullptr);
  pthread_t host = pthread_self();
  std::thread other([host] {
    timespec time = time_of(span + 50);
    nanosleep(&time, nullptr);
    pthread_kill(host, SIGUSR1);
  });
  in_a_fiber("sleepy", [] {
    timespec time = time_of(10'000), left{};
    long began = now_ms();
    long result = nanosleep(&time, &left);
    tell("nanosleep", result, errno, began);
    printf("%s, %s\n", errno == EINTR ? "interrupted" : "not interrupted",
           left.tv_sec > 5 && left.tv_sec < 10 ? "time left" : "no time left");
    // The mask and the next call are as ever.
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    printf("%s\n", sigisemptyset(&mask) ? "mask empty" : "mask not empty");
  });
  other.join();
}

void fork_scene() {
  in_a_fiber("parent", [] { compute_for(span); });
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    in_a_fiber("child", [] { compute_for(span); });
    exit(3);
  }
  int status;
  waitpid(child, &status, 0);
  printf("child ended with %d\n", WEXITSTATUS(status));
}

// libc reaches every thread with the same signal.
void setuid_scene() {
  in_a_fiber("before", [] { compute_for(span); });
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) threads.emplace_back([] { poll(nullptr, 0, span); });
  long error = 0;
  for (int i = 0; i < 100; ++i) error |= setuid(getuid());
  printf("setuid=%ld\n", error);
  for (auto& t : threads) t.join();
  in_a_fiber("after", [] { compute_for(span); });
}

const std::map<std::string, void (*)()> scenes = {
    {"compute", compute_without_yielding},
    {"nameless", compute_nameless},
    {"twice", compute_twice},
    {"small_stack", compute_on_a_small_stack},
    {"yield", compute_and_yield},
    {"sleep", wait_as_fibers_do},
    {"no_fibers", compute_without_fibers},
    {"host", host_computes},
    {"threads", on_three_threads},
    {"nanosleep", nanosleep_scene},
    {"clock_nanosleep", clock_nanosleep_scene},
    {"poll", poll_scene},
    {"ppoll", ppoll_scene},
    {"select", select_scene},
    {"epoll", epoll_scene},
    {"epoll_forever", epoll_forever_scene},
    {"read", read_scene},
    {"recv_limited", recv_limited_scene},
    {"write", write_scene},
    {"condition", condition_scene},
    {"own_signal", own_signal_scene},
    {"fork", fork_scene},
    {"setuid", setuid_scene},
};

}  // namespace

int main(int, char** arguments) {
  auto scene = scenes.find(arguments[1] != nullptr ? arguments[1] : "");
  if (scene == scenes.end()) return 64;
  scene->second();
  return 0;
}
