// Ten MariaDB queries of 0.2 s on one thread, each with a connection of its own, in libmariadb's
// blocking calls. Built against vervet::patched, so that what blocks parks a fiber. Argument: the
// port.
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <mysql.h>
#include <vervet/patched.hpp>
#include <vervet/vervet.hpp>

using namespace std::chrono_literals;
using connection = std::unique_ptr<MYSQL, decltype(&mysql_close)>;
using rows = std::unique_ptr<MYSQL_RES, decltype(&mysql_free_result)>;

std::string square(unsigned port, int number) {
  connection c(mysql_init(nullptr), mysql_close);
  if (!mysql_real_connect(c.get(), "127.0.0.1", "root", "", nullptr, port, nullptr, 0))
    throw std::runtime_error(mysql_error(c.get()));
  std::string text = std::to_string(number);
  std::string query = "SELECT SLEEP(0.2) + " + text + " * " + text;
  if (mysql_query(c.get(), query.c_str()) != 0) throw std::runtime_error(mysql_error(c.get()));
  rows r(mysql_store_result(c.get()), mysql_free_result);
  return mysql_fetch_row(r.get())[0];
}

int main(int argc, char** argv) {
  unsigned port = argc > 1 ? static_cast<unsigned>(std::atoi(argv[1])) : 3306;
  mysql_library_init(0, nullptr, nullptr);
  auto start = std::chrono::steady_clock::now();
  std::vector<vervet::fiber<std::string>> queries;
  for (int i = 0; i < 10; ++i) queries.push_back(vervet::spawn(square, port, i));
  for (auto& one : queries) std::cout << one.get() << '\n';
  std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::cout << (took < 1s ? "all at the same time" : "one after the other") << '\n';
  mysql_library_end();
}
