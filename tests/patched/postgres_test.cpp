// libpq against PostgreSQL.
#include <gtest/gtest.h>
#include <libpq-fe.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "common.hpp"
#include "server.hpp"

namespace {

using namespace patched_test;

server* postgres;

struct connection {
  connection() {
    std::string where =
        "host=127.0.0.1 user=postgres dbname=postgres port=" + std::to_string(postgres->port());
    link = PQconnectdb(where.c_str());
    EXPECT_EQ(PQstatus(link), CONNECTION_OK) << PQerrorMessage(link);
  }
  ~connection() { PQfinish(link); }
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;
  std::string ask(const std::string& query) {
    PGresult* result = PQexec(link, query.c_str());
    std::string answer =
        PQresultStatus(result) == PGRES_TUPLES_OK ? PQgetvalue(result, 0, 0) : "(failed)";
    PQclear(result);
    return answer;
  }
  PGconn* link;
};

TEST(PatchedPostgres, SlowQueriesShareAThread) {
  expect_concurrent(12, 300, 0, [](int i) {
    connection c;
    std::string number = std::to_string(i);
    EXPECT_EQ(c.ask("SELECT " + number + " FROM pg_sleep(0.3)"), number);
  });
}

// Names are looked up on a thread of the pool.
TEST(PatchedPostgres, ConnectsByName) {
  run_fibers(3, [](int) {
    std::string where =
        "host=localhost user=postgres dbname=postgres port=" + std::to_string(postgres->port());
    PGconn* link = PQconnectdb(where.c_str());
    EXPECT_EQ(PQstatus(link), CONNECTION_OK) << PQerrorMessage(link);
    PQfinish(link);
  });
}

TEST(PatchedPostgres, AKillEndsAQuery) {
  std::string answer;
  auto client = vervet::spawn([&] {
    connection c;
    answer = c.ask("SELECT 1 FROM pg_sleep(10)");
  });
  usleep(200'000);
  auto took = time_of([&] { client.kill(); });
  EXPECT_EQ(answer, "(failed)");
  EXPECT_LT(took, 2s);
}

std::vector<std::string> places() {
  std::vector<std::string> found;
  std::error_code missing;
  for (auto& version : std::filesystem::directory_iterator("/usr/lib/postgresql", missing))
    found.push_back(version.path().string() + "/bin");
  return found;
}

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  std::string make = program("initdb", places()), path = program("postgres", places());
  if (make.empty() || path.empty()) skip("no PostgreSQL server");
  server s;
  postgres = &s;
  s.give_to("postgres");
  std::string data = s.directory() + "/data";
  if (!s.run({make, "-D", data, "-U", "postgres", "-A", "trust", "-N", "--locale=C"}, "postgres"))
    skip("initdb fails: " + s.log());
  s.start({path, "-D", data, "-h", "127.0.0.1", "-p", std::to_string(s.port()), "-k", s.directory(),
           "-c", "fsync=off", "-c", "shared_buffers=8MB"},
          "postgres");
  if (!s.await_port()) skip("postgres does not start: " + s.log());
  std::string where = "host=127.0.0.1 user=postgres port=" + std::to_string(s.port());
  for (int i = 0; i < 300 && PQping(where.c_str()) != PQPING_OK; ++i) usleep(50'000);
  return RUN_ALL_TESTS();
}
