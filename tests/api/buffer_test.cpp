// buffer, const_buffer.
#include <gtest/gtest.h>

#include <array>
#include <span>
#include <string>
#include <vector>

#include <vervet/buffer.hpp>

namespace {

using vervet::buffer;
using vervet::const_buffer;

static_assert(!std::is_constructible_v<buffer, const std::string&>);
static_assert(!std::is_constructible_v<buffer, std::vector<std::string>&>);
static_assert(!std::is_constructible_v<const_buffer, std::vector<std::string>&>);

TEST(Buffer, IsMadeFromAnythingContiguousAndCountsInBytes) {
  char array[5];
  std::array<int, 3> ints{};
  std::string text = "four";
  std::vector<unsigned char> bytes(7);
  std::span<char> part(array, 2);
  EXPECT_EQ(buffer(array).size(), 5u);
  EXPECT_EQ(buffer(ints).size(), 3 * sizeof(int));
  EXPECT_EQ(buffer(text).size(), 4u);
  EXPECT_EQ(buffer(bytes).data(), bytes.data());
  EXPECT_EQ(buffer(part).size(), 2u);
  EXPECT_EQ(buffer({array, 1}).size(), 1u);
}

TEST(ConstBuffer, TakesTextAsTextAndTheRestAsBytes) {
  char array[5] = "ab";
  const std::vector<int> ints(2);
  EXPECT_EQ(const_buffer("abc").size(), 3u);
  EXPECT_EQ(const_buffer(array).size(), 2u);
  EXPECT_EQ(const_buffer(std::string("a\0b", 3)).size(), 3u);
  EXPECT_EQ(const_buffer(std::string_view("ab")).size(), 2u);
  EXPECT_EQ(const_buffer(ints).size(), 2 * sizeof(int));
  EXPECT_EQ(const_buffer(buffer(array)).size(), 5u);
  EXPECT_EQ(const_buffer("abc").after(1).size(), 2u);
}

}  // namespace
