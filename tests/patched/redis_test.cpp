// hiredis against redis-server. The server is single-threaded, so what is slow is waiting for
// values that come later (BLPOP) and not the server.
#include <gtest/gtest.h>
#include <hiredis/hiredis.h>
#include <unistd.h>

#include <string>

#include "common.hpp"
#include "server.hpp"

namespace {

using namespace patched_test;

server* redis;

struct reply_deleter {
  void operator()(redisReply* r) const { freeReplyObject(r); }
};
using reply = std::unique_ptr<redisReply, reply_deleter>;

class connection {
 public:
  connection() : context_(redisConnect("127.0.0.1", redis->port())) {
    EXPECT_TRUE(context_ != nullptr && context_->err == 0);
  }
  ~connection() { redisFree(context_); }
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;

  template <typename... Arguments>
  reply ask(const char* format, Arguments... arguments) {
    return reply(static_cast<redisReply*>(redisCommand(context_, format, arguments...)));
  }
  redisContext* get() { return context_; }

 private:
  redisContext* context_;
};

TEST(PatchedRedis, BlockedClientsShareAThread) {
  auto producer = vervet::spawn([] {
    connection c;
    usleep(200'000);
    for (int i = 0; i < 20; ++i) c.ask("RPUSH list:%d value-%d", i, i);
  });
  expect_concurrent(20, 200, 0, [](int i) {
    connection c;
    reply r = c.ask("BLPOP list:%d 10", i);
    ASSERT_TRUE(r != nullptr && r->type == REDIS_REPLY_ARRAY && r->elements == 2);
    EXPECT_EQ(r->element[1]->str, "value-" + std::to_string(i));
  });
  producer.get();
}

TEST(PatchedRedis, AnswersAreRight) {
  run_fibers(10, [](int i) {
    connection c;
    for (int k = 0; k < 100; ++k) {
      c.ask("SET key:%d:%d %d", i, k, i * 1000 + k);
      reply r = c.ask("GET key:%d:%d", i, k);
      ASSERT_NE(r, nullptr);
      EXPECT_EQ(r->str, std::to_string(i * 1000 + k));
    }
  });
}

TEST(PatchedRedis, AKillEndsABlockedClient) {
  bool failed = false;
  auto client = vervet::spawn([&] {
    connection c;
    reply r = c.ask("BLPOP nothing 10");
    failed = r == nullptr && c.get()->err == REDIS_ERR_IO && c.get()->errstr[0] != 0;
  });
  usleep(50'000);
  auto took = time_of([&] { client.kill(); });
  EXPECT_TRUE(failed);
  EXPECT_LT(took, 1s);
}

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  std::string path = program("redis-server");
  if (path.empty()) skip("no redis-server");
  server s;
  redis = &s;
  s.start({path, "--port", std::to_string(s.port()), "--bind", "127.0.0.1", "--save", "", "--dir",
           s.directory()});
  if (!s.await_port()) skip("redis-server does not start: " + s.log());
  return RUN_ALL_TESTS();
}
