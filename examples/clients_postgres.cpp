// Ten PostgreSQL queries of 0.2 s on one thread, each with a connection of its own, in libpq's
// blocking calls. Built against vervet::patched, so that what blocks parks a fiber. Argument: the
// port.
#include <chrono>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <libpq-fe.h>
#include <vervet/patched.hpp>
#include <vervet/vervet.hpp>

using namespace std::chrono_literals;
using connection = std::unique_ptr<PGconn, decltype(&PQfinish)>;
using result = std::unique_ptr<PGresult, decltype(&PQclear)>;

std::string square(const std::string& port, int number) {
  std::string where = "host=127.0.0.1 user=postgres dbname=postgres port=" + port;
  connection c(PQconnectdb(where.c_str()), PQfinish);
  if (PQstatus(c.get()) != CONNECTION_OK) throw std::runtime_error(PQerrorMessage(c.get()));
  std::string text = std::to_string(number);
  std::string query = "SELECT " + text + " * " + text + " FROM pg_sleep(0.2)";
  result r(PQexec(c.get(), query.c_str()), PQclear);
  if (PQresultStatus(r.get()) != PGRES_TUPLES_OK) throw std::runtime_error(PQerrorMessage(c.get()));
  return PQgetvalue(r.get(), 0, 0);
}

int main(int argc, char** argv) {
  std::string port = argc > 1 ? argv[1] : "5432";
  auto start = std::chrono::steady_clock::now();
  std::vector<vervet::fiber<std::string>> queries;
  for (int i = 0; i < 10; ++i) queries.push_back(vervet::spawn(square, port, i));
  for (auto& one : queries) std::cout << one.get() << '\n';
  std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::cout << (took < 1s ? "all at the same time" : "one after the other") << '\n';

  // A timeout ends libpq's wait as a broken connection would.
  auto impatient = vervet::spawn([&port] {
    vervet::timeout limit(100ms);
    return square(port, 11);
  });
  try {
    impatient.get();
  } catch (const std::exception&) {
    std::cout << "given up after 0.1 s\n";
  }
}
