#include "server.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "common.hpp"

namespace patched_test {
namespace {

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

int free_port() {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    throw std::runtime_error("no free port");
  close(fd);
  return ntohs(address.sin_port);
}

bool answers(int port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(port);
  bool connected = connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  close(fd);
  return connected;
}

void become(const std::string& user) {
  if (user.empty() || geteuid() != 0) return;
  passwd* entry = getpwnam(user.c_str());
  if (entry == nullptr || setgid(entry->pw_gid) != 0 || setuid(entry->pw_uid) != 0) _exit(126);
}

pid_t launch(const std::vector<std::string>& command, const std::string& user,
             const std::string& directory) {
  std::vector<char*> arguments;
  for (const std::string& one : command) arguments.push_back(const_cast<char*>(one.c_str()));
  arguments.push_back(nullptr);
  pid_t pid = fork();
  if (pid != 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  int log = open((directory + "/log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0666);
  dup2(open("/dev/null", O_RDONLY), 0);
  dup2(log, 1);
  dup2(log, 2);
  become(user);
  if (chdir(directory.c_str()) != 0) _exit(126);
  execv(arguments[0], arguments.data());
  _exit(127);
}

}  // namespace

server::server() : port_(free_port()) {
  char name[] = "/tmp/vervet-server-XXXXXX";
  if (mkdtemp(name) == nullptr) throw std::runtime_error("no temporary directory");
  directory_ = name;
}

server::~server() {
  if (pid_ > 0) {
    kill(pid_, SIGTERM);
    for (int i = 0; i < 100 && waitpid(pid_, nullptr, WNOHANG) == 0; ++i) {
      usleep(50'000);
      if (i == 60) kill(pid_, SIGKILL);
    }
  }
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void server::start(const std::vector<std::string>& command, const std::string& user) {
  pid_ = launch(command, user, directory_);
}

bool server::run(const std::vector<std::string>& command, const std::string& user) {
  pid_t pid = launch(command, user, directory_);
  int status = -1;
  waitpid(pid, &status, 0);
  return status == 0;
}

bool server::await_port() {
  for (int i = 0; i < 600; ++i) {
    if (waitpid(pid_, nullptr, WNOHANG) == pid_) {
      pid_ = -1;
      return false;
    }
    if (answers(port_)) return true;
    usleep(50'000);
  }
  return false;
}

std::string server::log() const {
  std::ifstream file(directory_ + "/log");
  return {std::istreambuf_iterator<char>(file), {}};
}

void server::give_to(const std::string& user) {
  passwd* entry = geteuid() == 0 ? getpwnam(user.c_str()) : nullptr;
  if (entry != nullptr && chown(directory_.c_str(), entry->pw_uid, entry->pw_gid) != 0)
    throw std::runtime_error("cannot give " + directory_ + " to " + user);
}

std::string program(const std::string& name, const std::vector<std::string>& more) {
  std::vector<std::string> places = {"/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"};
  places.insert(places.end(), more.begin(), more.end());
  for (const std::string& place : places)
    if (access((place + "/" + name).c_str(), X_OK) == 0) return place + "/" + name;
  return {};
}

void skip(const std::string& reason) {
  std::printf("skipped: %s\n", reason.c_str());
  std::exit(77);
}

void expect_concurrent(int queries, int each, int helpers, void (*query)(int number)) {
  int before = kernel_threads(), most = 0;
  bool over = false;
  auto watcher = vervet::spawn([&] {
    for (; !over; usleep(10'000)) most = std::max(most, kernel_threads());
  });
  int done = 0;
  auto took = time_of([&] {
    run_fibers(queries, [&](int i) {
      query(i);
      ++done;
    });
  });
  over = true;
  watcher.get();
  EXPECT_EQ(done, queries);
  EXPECT_LE(most, before + helpers);
  EXPECT_GE(took.count(), each);
  // One after the other they would take `queries` times as long.
  EXPECT_LT(took.count(), each * queries / 2);
  std::printf("%d queries of %d ms: %d ms, %d kernel threads\n", queries, each,
              static_cast<int>(took.count()), most);
}

}  // namespace patched_test
