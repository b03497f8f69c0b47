// Keys of thread-specific data: libc keeps them and their values, which lie in each identity; their
// destructors are recorded, because the runtime runs them at a fiber's end.
#include "interpose/sync_common.h"

namespace vervet::interpose::sync {

int create_key(pthread_key_t* key, void (*destructor)(void*)) {
  int error = real().pthread_key_create(key, destructor);
  if (error == 0) thread::key_created(*key, destructor);
  return error;
}

// Before libc gives the key to somebody else, who would record a new destructor.
void delete_key_record(pthread_key_t key) { thread::key_deleted(key); }

}  // namespace vervet::interpose::sync

using namespace vervet::interpose;

EXPORT
int pthread_key_create(pthread_key_t* key, void (*destructor)(void*)) noexcept {
  return sync::create_key(key, destructor);
}

EXPORT
int pthread_key_delete(pthread_key_t key) noexcept {
  sync::delete_key_record(key);
  return real().pthread_key_delete(key);
}
