// Generators: pipelines, and what Python's yield, send, throw and return do.
#include <cstdio>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include <vervet/generator.hpp>
#include <vervet/vervet.hpp>

using vervet::generator;

// def genNumber(): … yield x …; return 5
generator<int, void, int> gen_number() {
  return generator<int, void, int>([](auto& yield) {
    for (int x = 0; x < 3; ++x) yield(x);
    return 5;
  });
}

// What is sent in is what the yield returns.
generator<int, std::string, std::string> gen_fn() {
  return generator<int, std::string, std::string>([](auto& yield) {
    std::optional<std::string> result = yield(1);
    std::printf("result of yield: %s\n", result.value_or("None").c_str());
    std::optional<std::string> second = yield(2);
    std::printf("result of 2nd yield: %s\n", second.value_or("None").c_str());
    return "done";
  });
}

struct cancelled_error {};

generator<int> waiting() {
  return generator<int>([](auto& yield) {
    try {
      for (;;) yield(0);
    } catch (const cancelled_error&) {
      std::puts("cancel");
    }
  });
}

generator<std::string> words(std::string text) {
  return generator<std::string>([=](auto& yield) {
    std::string word;
    for (char c : text + " ")
      if (c != ' ')
        word += c;
      else if (!word.empty())
        yield(std::exchange(word, ""));
  });
}

// Each stage pulls from the one before, a word at a time.
generator<std::string> longer_than(std::size_t length, generator<std::string> source) {
  return generator<std::string>([length, source = std::move(source)](auto& yield) mutable {
    for (std::string& word : source)
      if (word.size() > length) yield(std::move(word));
  });
}

int main() {
  for (int n : gen_number()) std::printf("%d ", n);
  auto z = gen_number();
  while (auto n = z.next()) std::printf("%d ", *n);
  std::printf("and returned %d\n", z.result());

  auto talk = gen_fn();
  std::printf("yielded %d\n", *talk.next());
  std::printf("yielded %d\n", *talk.send("hello"));
  talk.next();
  std::printf("returned %s\n", talk.result().c_str());

  auto coro = waiting();
  coro.next();
  coro.throw_in(cancelled_error());
  std::printf("it has %s\n", coro.done() ? "ended" : "not ended");

  for (auto& word : longer_than(4, words("a fiber parks and another one runs meanwhile")))
    std::printf("%s\n", word.c_str());
}
