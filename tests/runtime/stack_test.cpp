#include "runtime/stack.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <string>
#include <vector>

namespace vervet {
namespace {

unsigned mappings() {
  FILE* maps = fopen("/proc/self/maps", "r");
  unsigned lines = 0;
  for (int c; (c = fgetc(maps)) != EOF;) lines += c == '\n';
  fclose(maps);
  return lines;
}

TEST(Stack, RefusesAnImpossibleSize) {
  EXPECT_EQ(stack_class(size_t{1} << 40), 0u);
  EXPECT_EQ(stack_class(SIZE_MAX), 0u);
}

TEST(Stack, ClassHoldsTheWantedBytesAndTheGuard) {
  for (size_t wanted : {size_t{1}, size_t{16384}, size_t{65536}, size_t{8} << 20, size_t{9} << 20})
    EXPECT_GE(stack_class(wanted), wanted + stack_guard_size);
}

TEST(Stack, IsWritableFromTheTopToTheGuard) {
  stack_slot slot = stack_take(stack_class(64 * 1024));
  ASSERT_TRUE(slot);
  memset(slot.base + stack_guard_size, 1, slot.size - stack_guard_size);
  stack_give(slot);
}

TEST(Stack, KnowsItsGuardPages) {
  stack_slot slot = stack_take(stack_class(256 * 1024));
  ASSERT_TRUE(slot);
  EXPECT_TRUE(stack_is_guard(slot.base));
  EXPECT_TRUE(stack_is_guard(slot.base + stack_guard_size - 1));
  EXPECT_FALSE(stack_is_guard(slot.base + stack_guard_size));
  EXPECT_FALSE(stack_is_guard(slot.top() - 1));
  int local;
  EXPECT_FALSE(stack_is_guard(&local));
  stack_give(slot);
}

TEST(StackDeathTest, TouchingTheGuardIsAFault) {
  stack_slot slot = stack_take(stack_class(64 * 1024));
  ASSERT_TRUE(slot);
  EXPECT_DEATH(*const_cast<volatile char*>(slot.base) = 1, "");
  stack_give(slot);
}

TEST(Stack, ReusesTheLastSlotFirst) {
  size_t size = stack_class(32 * 1024);
  stack_slot first = stack_take(size);
  stack_slot second = stack_take(size);
  stack_give(first);
  stack_give(second);
  EXPECT_EQ(stack_take(size).base, second.base);
  EXPECT_EQ(stack_take(size).base, first.base);
  stack_give(first);
  stack_give(second);
}

TEST(Stack, NeverCrossesA2MiBBoundaryAtASlotBoundary) {
  size_t size = stack_class(8 << 20);
  for (int i = 0; i < 20; ++i) {
    stack_slot slot = stack_take(size);
    EXPECT_NE(reinterpret_cast<uintptr_t>(slot.base) % (2 << 20), 0u);
  }
}

TEST(Stack, EachOfManyHasItsGuard) {
  // Enough for guards to be installed in batches; a size of its own, so that none was used before.
  size_t slot_size = stack_class(200'000);
  std::vector<stack_slot> slots(1000);
  for (stack_slot& slot : slots) slot = stack_take(slot_size);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  for (stack_slot& slot : slots) {
    ASSERT_TRUE(slot);
    // Reading from a guard fails with EFAULT, where touching it would end the process.
    ASSERT_EQ(write(ends[1], slot.base, 1), -1);
    ASSERT_EQ(errno, EFAULT);
    ASSERT_EQ(write(ends[1], slot.base + stack_guard_size, 1), 1);
    char byte;
    ASSERT_EQ(read(ends[0], &byte, 1), 1);
  }
  close(ends[0]);
  close(ends[1]);
  for (stack_slot& slot : slots) stack_give(slot);
}

TEST(Stack, GuardsCostNoMappingEach) {
  size_t size = stack_class(128 * 1024);
  stack_give(stack_take(size));
  unsigned before = mappings();
  std::vector<stack_slot> slots;
  for (int i = 0; i < 1000; ++i) slots.push_back(stack_take(size));
  EXPECT_LT(mappings(), before + 20);
  for (stack_slot slot : slots) stack_give(slot);
}

}  // namespace
}  // namespace vervet
