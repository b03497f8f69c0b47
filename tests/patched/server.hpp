// A real server for the tests of client libraries: on the loopback interface, on a free port, in a
// temporary directory of its own, for as long as the object lives.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace patched_test {

class server {
 public:
  server();
  // Ends it, and removes the directory.
  ~server();
  server(const server&) = delete;
  server& operator=(const server&) = delete;

  int port() const { return port_; }
  const std::string& directory() const { return directory_; }

  // Starts the command; `user` runs it if we are root and it is given.
  void start(const std::vector<std::string>& command, const std::string& user = {});
  // The same, to its end; false if it failed. What it says is in log().
  bool run(const std::vector<std::string>& command, const std::string& user = {});
  // Waits until the port answers; false if the server ended before, or took half a minute.
  bool await_port();
  std::string log() const;
  // Makes the directory the user's, if we are root.
  void give_to(const std::string& user);

 private:
  int port_;
  std::string directory_;
  int pid_ = -1;
};

// The program's path, looked for in PATH, the places where servers are, and `more`; empty if it is
// missing.
std::string program(const std::string& name, const std::vector<std::string>& more = {});

// Ends the test program: 77 tells ctest that it was skipped.
[[noreturn]] void skip(const std::string& reason);

// What the tests of all client libraries expect of `queries` slow queries, one a fiber, each of
// which takes `each` ms at the server: done in about one query's time, with one kernel thread
// beside those there were and `helpers`.
void expect_concurrent(int queries, int each, int helpers, void (*query)(int number));

}  // namespace patched_test
