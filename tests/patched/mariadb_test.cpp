// libmariadb against MariaDB.
#include <gtest/gtest.h>
#include <mysql.h>
#include <unistd.h>

#include <string>

#include "common.hpp"
#include "server.hpp"

namespace {

using namespace patched_test;

server* mariadb;

struct connection {
  connection() : link(mysql_init(nullptr)) {
    unsigned port = static_cast<unsigned>(mariadb->port());
    MYSQL* made = mysql_real_connect(link, "127.0.0.1", "root", "", nullptr, port, nullptr, 0);
    EXPECT_NE(made, nullptr) << mysql_error(link);
  }
  ~connection() { mysql_close(link); }
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;
  std::string ask(const std::string& query) {
    if (mysql_query(link, query.c_str()) != 0) return "(failed)";
    MYSQL_RES* result = mysql_store_result(link);
    MYSQL_ROW row = mysql_fetch_row(result);
    std::string answer = row != nullptr && row[0] != nullptr ? row[0] : "(nothing)";
    mysql_free_result(result);
    return answer;
  }
  MYSQL* link;
};

TEST(PatchedMariadb, SlowQueriesShareAThread) {
  expect_concurrent(12, 300, 0, [](int i) {
    connection c;
    EXPECT_EQ(c.ask("SELECT SLEEP(0.3) + " + std::to_string(i)), std::to_string(i));
  });
}

TEST(PatchedMariadb, AKillEndsAQuery) {
  std::string answer;
  auto client = vervet::spawn([&] {
    connection c;
    answer = c.ask("SELECT SLEEP(10)");
  });
  usleep(200'000);
  auto took = time_of([&] { client.kill(); });
  EXPECT_EQ(answer, "(failed)");
  EXPECT_LT(took, 2s);
}

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  std::string make = program("mariadb-install-db"), path = program("mariadbd");
  if (make.empty() || path.empty()) skip("no MariaDB server");
  server s;
  mariadb = &s;
  s.give_to("nobody");
  std::string data = "--datadir=" + s.directory() + "/data";
  if (!s.run({make, "--no-defaults", data, "--auth-root-authentication-method=normal",
              "--skip-test-db"},
             "nobody"))
    skip("mariadb-install-db fails: " + s.log());
  s.start({path, "--no-defaults", data, "--port=" + std::to_string(s.port()),
           "--bind-address=127.0.0.1", "--socket=" + s.directory() + "/socket",
           "--pid-file=" + s.directory() + "/pid", "--innodb-buffer-pool-size=8M"},
          "nobody");
  if (!s.await_port()) skip("mariadbd does not start: " + s.log());
  mysql_library_init(0, nullptr, nullptr);
  return RUN_ALL_TESTS();
}
