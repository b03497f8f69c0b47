// A program that finds the thread functions by dlsym, as weak references and plug-ins do, and one
// that loads libpthread by its old name.
#include "../check.h"

#include <dlfcn.h>

extern int __pthread_key_create(pthread_key_t*, void (*)(void*)) __attribute__((weak));

typedef int create_function(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
typedef int join_function(pthread_t, void**);

static void* echo(void* value) {
  usleep(500);
  return value;
}

static void use(const char* name, void* handle) {
  create_function* create = (create_function*)dlsym(handle, "pthread_create");
  join_function* wait = (join_function*)dlsym(handle, "pthread_join");
  pthread_t all[10];
  long sum = 0;
  CHECK(create && wait);
  for (long i = 0; i < 10; ++i) CHECK_OK(create(&all[i], NULL, echo, (void*)i));
  for (int i = 0; i < 10; ++i) {
    void* result;
    CHECK_OK(wait(all[i], &result));
    sum += (long)result;
  }
  say("%s: %ld", name, sum);
}

int main(void) {
  use("the default", RTLD_DEFAULT);
  use("the next", RTLD_NEXT);
  use("the program", dlopen(NULL, RTLD_LAZY));
  void* old = dlopen("libpthread.so.0", RTLD_LAZY);
  FACT("libpthread.so.0 loads", old != NULL);
  use("libc", dlopen("libc.so.6", RTLD_LAZY));
  // GCC's runtime takes a program for threaded if this is there.
  FACT("the weak reference is there", __pthread_key_create != NULL);
  return 0;
}
