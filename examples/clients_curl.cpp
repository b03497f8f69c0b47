// Ten downloads on one thread, in libcurl's easy, blocking interface. Built against
// vervet::patched, so that what blocks parks a fiber. Argument: the URL of a site whose page /N
// takes its time.
#include <chrono>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <curl/curl.h>
#include <vervet/patched.hpp>
#include <vervet/vervet.hpp>

using namespace std::chrono_literals;

size_t append(char* data, size_t size, size_t count, void* body) {
  static_cast<std::string*>(body)->append(data, size * count);
  return size * count;
}

std::string get(const std::string& url) {
  std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> easy(curl_easy_init(), curl_easy_cleanup);
  std::string body;
  curl_easy_setopt(easy.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy.get(), CURLOPT_PROXY, "");
  curl_easy_setopt(easy.get(), CURLOPT_WRITEFUNCTION, append);
  curl_easy_setopt(easy.get(), CURLOPT_WRITEDATA, &body);
  CURLcode code = curl_easy_perform(easy.get());
  if (code != CURLE_OK) throw std::runtime_error(url + ": " + curl_easy_strerror(code));
  return body;
}

int main(int argc, char** argv) {
  if (argc != 2) return std::cerr << "usage: clients_curl URL\n", 2;
  std::string site = argv[1];
  curl_global_init(CURL_GLOBAL_ALL);
  auto start = std::chrono::steady_clock::now();
  std::vector<vervet::fiber<std::string>> pages;
  for (int i = 0; i < 10; ++i) pages.push_back(vervet::spawn(get, site + "/" + std::to_string(i)));
  for (auto& page : pages) std::cout << page.get() << '\n';
  std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::cout << (took < 1500ms ? "all at the same time" : "one after the other") << '\n';
  curl_global_cleanup();
}
