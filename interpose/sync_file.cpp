// fsync and fdatasync: how long they take is the disk's business, so they run elsewhere.
#include "interpose/io.h"
#include "interpose/real.h"

using namespace vervet;
using namespace vervet::interpose;

EXPORT int fsync(int fd) {
  if (!on_fiber()) return real().fsync(fd);
  runtime_scope scope;
  cancellation_point();
  return static_cast<int>(result_of(offload_brief(SYS_fsync, fd)));
}

EXPORT int fdatasync(int fd) {
  if (!on_fiber()) return real().fdatasync(fd);
  runtime_scope scope;
  cancellation_point();
  return static_cast<int>(result_of(offload_brief(SYS_fdatasync, fd)));
}
