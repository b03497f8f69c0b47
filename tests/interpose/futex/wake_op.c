// FUTEX_WAKE_OP: changes a second word and wakes on both, or on one.
#include "futex.h"

static int first, second, gone[2];

static void* sleep_on(void* argument) {
  int* word = argument;
  const int value = get(word);
  long result;
  do result = futex_wait(word, value);
  while (result != 0 && errno == EINTR);
  // EAGAIN: the word had changed before this thread slept. The caller starts it early enough.
  CHECK(result == 0 || errno == EAGAIN);
  __atomic_add_fetch(&gone[word == &second], 1, __ATOMIC_SEQ_CST);
  return NULL;
}

static void report(const char* name, long woken) {
  say("%s: %ld woken, second word %d", name, woken, get(&second));
}

static long wake_op(int operation, int operand, int comparison, int against) {
  return futex(&first, FUTEX_WAKE_OP_PRIVATE, 1, (const struct timespec*)1L, &second,
               (int)FUTEX_OP(operation, operand, comparison, against));
}

int main(void) {
  second = 5;
  report("nobody there", wake_op(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 5));
  report("or", wake_op(FUTEX_OP_OR, 16, FUTEX_OP_CMP_EQ, 0));
  report("xor", wake_op(FUTEX_OP_XOR, 1, FUTEX_OP_CMP_EQ, 0));
  report("andn", wake_op(FUTEX_OP_ANDN, 1, FUTEX_OP_CMP_EQ, 0));
  report("set", wake_op(FUTEX_OP_SET, 7, FUTEX_OP_CMP_EQ, 0));

  // The comparison fails each time: only sleepers on the first word wake.
  const pthread_t on_first = start(sleep_on, &first), on_second = start(sleep_on, &second);
  while (get(&gone[0]) == 0) {
    CHECK(wake_op(FUTEX_OP_SET, 7, FUTEX_OP_CMP_GT, 100) >= 0);
    breathe();
  }
  join(on_first);
  settle();
  FACT("the sleeper on the second word sleeps on", get(&gone[1]) == 0);
  while (get(&gone[1]) == 0) {
    CHECK(wake_op(FUTEX_OP_SET, 7, FUTEX_OP_CMP_LT, 100) >= 0);
    breathe();
  }
  join(on_second);
  FACT("and wakes when the comparison holds", 1);
  return 0;
}
