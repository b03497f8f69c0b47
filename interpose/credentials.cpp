// Credentials are the kernel's per thread; POSIX wants them per process. libc would visit every
// thread of its list, which has identities without a kernel thread; we visit every kernel thread.
#include "interpose/dormant.h"
#include "interpose/io.h"
#include "interpose/real.h"

#include <limits.h>
#include <sys/mman.h>

using namespace vervet;
using namespace vervet::interpose;

namespace {

int everywhere(long number, long a, long b = 0, long c = 0) {
  runtime_scope scope;
  return static_cast<int>(result_of(call_on_every_kernel_thread(number, a, b, c)));
}

constexpr long unchanged = -1;

// Ids are 32 bits wide: -1 stays -1.
long id(uid_t value) { return static_cast<int>(value); }

}  // namespace

EXPORT int setuid(uid_t uid) noexcept {
  if (!threads_are_fibers()) return real().setuid(uid);
  return everywhere(SYS_setuid, id(uid));
}

EXPORT int setgid(gid_t gid) noexcept {
  if (!threads_are_fibers()) return real().setgid(gid);
  return everywhere(SYS_setgid, id(gid));
}

EXPORT int seteuid(uid_t uid) noexcept {
  if (!threads_are_fibers()) return real().seteuid(uid);
  if (id(uid) == unchanged) return static_cast<int>(result_of(-EINVAL));
  return everywhere(SYS_setresuid, unchanged, id(uid), unchanged);
}

EXPORT int setegid(gid_t gid) noexcept {
  if (!threads_are_fibers()) return real().setegid(gid);
  if (id(gid) == unchanged) return static_cast<int>(result_of(-EINVAL));
  return everywhere(SYS_setresgid, unchanged, id(gid), unchanged);
}

EXPORT int setreuid(uid_t real_uid, uid_t effective) noexcept {
  if (!threads_are_fibers()) return real().setreuid(real_uid, effective);
  return everywhere(SYS_setreuid, id(real_uid), id(effective));
}

EXPORT int setregid(gid_t real_gid, gid_t effective) noexcept {
  if (!threads_are_fibers()) return real().setregid(real_gid, effective);
  return everywhere(SYS_setregid, id(real_gid), id(effective));
}

EXPORT int setresuid(uid_t real_uid, uid_t effective, uid_t saved) noexcept {
  if (!threads_are_fibers()) return real().setresuid(real_uid, effective, saved);
  return everywhere(SYS_setresuid, id(real_uid), id(effective), id(saved));
}

EXPORT int setresgid(gid_t real_gid, gid_t effective, gid_t saved) noexcept {
  if (!threads_are_fibers()) return real().setresgid(real_gid, effective, saved);
  return everywhere(SYS_setresgid, id(real_gid), id(effective), id(saved));
}

EXPORT int setgroups(size_t count, const gid_t* groups) noexcept {
  if (!threads_are_fibers()) return real().setgroups(count, groups);
  return everywhere(SYS_setgroups, static_cast<long>(count), sys::word(groups));
}

EXPORT int initgroups(const char* user, gid_t group) {
  if (!threads_are_fibers()) return real().initgroups(user, group);
  constexpr size_t bytes = NGROUPS_MAX * sizeof(gid_t);
  auto* groups = static_cast<gid_t*>(
      sys::map(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS));
  if (groups == nullptr) return static_cast<int>(result_of(-ENOMEM));
  int count = NGROUPS_MAX;
  getgrouplist(user, group, groups, &count);
  if (count > NGROUPS_MAX) count = NGROUPS_MAX;
  int result = everywhere(SYS_setgroups, count, sys::word(groups));
  sys::unmap(groups, bytes);
  return result;
}
