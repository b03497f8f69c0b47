// libcurl's easy interface against an HTTP server.
#include <curl/curl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

#include "common.hpp"
#include "server.hpp"

namespace {

using namespace patched_test;

server* http;

size_t keep(char* data, size_t size, size_t count, void* to) {
  static_cast<std::string*>(to)->append(data, size * count);
  return size * count;
}

CURLcode get(const std::string& host, int number, std::string& body) {
  CURL* easy = curl_easy_init();
  std::string url =
      "http://" + host + ":" + std::to_string(http->port()) + "/" + std::to_string(number);
  curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, keep);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &body);
  CURLcode result = curl_easy_perform(easy);
  curl_easy_cleanup(easy);
  return result;
}

TEST(PatchedCurl, TransfersShareAThread) {
  expect_concurrent(16, 300, 0, [](int i) {
    std::string body;
    EXPECT_EQ(get("127.0.0.1", i, body), CURLE_OK);
    EXPECT_EQ(body, "answer " + std::to_string(i));
  });
}

TEST(PatchedCurl, AKillEndsATransfer) {
  CURLcode result = CURLE_OK;
  auto client = vervet::spawn([&] {
    std::string body;
    result = get("127.0.0.1", 1, body);
  });
  usleep(100'000);
  auto took = time_of([&] { client.kill(); });
  EXPECT_NE(result, CURLE_OK);
  EXPECT_LT(took, 150ms);
}

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  std::string python = program("python3");
  if (python.empty()) skip("no python3");
  server s;
  http = &s;
  s.start({python, SLOW_SERVER, std::to_string(s.port())});
  if (!s.await_port()) skip("the HTTP server does not start: " + s.log());
  curl_global_init(CURL_GLOBAL_ALL);
  int result = RUN_ALL_TESTS();
  curl_global_cleanup();
  return result;
}
