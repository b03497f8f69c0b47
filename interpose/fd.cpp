// The life of descriptors: what makes, duplicates, changes and ends them. Once the runtime is awake
// these act for every thread of the process, or the table of descriptors would be wrong for all.
#include <fcntl.h>
#include <stdarg.h>
#include <sys/file.h>

#include "interpose/dormant.h"
#include "interpose/io.h"
#include "interpose/io_descriptor.h"
#include "interpose/real.h"

using namespace vervet;
using namespace vervet::interpose;

namespace {

int refuse(int error) {
  errno = error;
  return -1;
}

// What a call that made a descriptor owes the table.
template <typename Note>
int noted(int fd, Note note) {
  if (fd < 0 || dormant()) return fd;
  runtime_scope scope;
  note(fd);
  return fd;
}

int made(int fd, descriptor_kind kind, bool nonblocking) {
  return noted(fd, [&](int made) { io::adopt(made, kind, nonblocking); });
}

int duplicated(int from, int to) {
  if (to >= 0 && dormant()) io::forget_births();
  return noted(to, [&](int made) { io::adopt_duplicate(from, made); });
}

// Numbers that are about to be closed together. Visits of the table take no argument.
lock range_lock;
unsigned range_first;
unsigned range_last;

void retire_range(unsigned first, unsigned last) {
  lock_guard guard(range_lock);
  range_first = first;
  range_last = last;
  for_each_descriptor([](int fd, descriptor&) {
    auto number = static_cast<unsigned>(fd);
    if (number >= range_first && number <= range_last && !runtime_owns_descriptor(fd))
      retire_descriptor(fd);
  });
}

// close_range() around the runtime's own.
int close_around_ours(unsigned first, unsigned last, int flags) {
  constexpr unsigned highest = 0x7fffffff;
  while (first <= last) {
    int ours = first > highest ? -1 : runtime_descriptor_from(static_cast<int>(first));
    bool inside = ours >= 0 && static_cast<unsigned>(ours) <= last;
    unsigned until = inside ? static_cast<unsigned>(ours) : last;
    // Nothing lies between two of ours that are neighbours.
    if (!inside || until > first) {
      int result = real().close_range(first, inside ? until - 1 : until, flags);
      if (result != 0 || !inside) return result;
    }
    first = until + 1;
  }
  return 0;
}

int close_many(unsigned first, unsigned last, int flags) {
  constexpr int keeps_open = 1 << 2;  // CLOSE_RANGE_CLOEXEC: ours have that anyway
  if (dormant() || (flags & keeps_open) != 0 || first > last)
    return real().close_range(first, last, flags);
  runtime_scope scope;
  retire_range(first, last);
  return close_around_ours(first, last, flags);
}

// ---- flags

int flags_of(int fd) {
  int flags = real().fcntl(fd, F_GETFL);
  descriptor* d = descriptor_of(fd);
  bool ours = d != nullptr && d->hidden_nonblock.load(std::memory_order_relaxed);
  return flags >= 0 && ours ? flags & ~O_NONBLOCK : flags;
}

// The program chose; an O_NONBLOCK of ours becomes its own, or stays hidden.
void note_nonblocking(descriptor& d, bool nonblocking) {
  d.nonblocking.store(nonblocking, std::memory_order_relaxed);
  if (nonblocking) d.hidden_nonblock.store(false, std::memory_order_relaxed);
}

int set_flags(int fd, int flags) {
  descriptor* d = descriptor_of(fd);
  if (d == nullptr) return real().fcntl(fd, F_SETFL, flags);
  // Nobody withdraws ours between our look and the call.
  io::nonblock_section section;
  bool ours = d->hidden_nonblock.load(std::memory_order_relaxed);
  int result = real().fcntl(fd, F_SETFL, ours ? flags | O_NONBLOCK : flags);
  if (result == 0) note_nonblocking(*d, (flags & O_NONBLOCK) != 0);
  return result;
}

int set_nonblocking(int fd, int* on) {
  descriptor* d = descriptor_of(fd);
  if (d == nullptr || on == nullptr) return real().ioctl(fd, FIONBIO, on);
  io::nonblock_section section;
  bool ours = d->hidden_nonblock.load(std::memory_order_relaxed);
  int result = ours && *on == 0 ? 0 : real().ioctl(fd, FIONBIO, on);
  if (result == 0) note_nonblocking(*d, *on != 0);
  return result;
}

int control(int fd, int command, void* argument) {
  switch (command) {
    case F_GETFL: return flags_of(fd);
    case F_SETFL: {
      runtime_scope scope;
      return set_flags(fd, static_cast<int>(reinterpret_cast<long>(argument)));
    }
    case F_DUPFD:
    case F_DUPFD_CLOEXEC: return duplicated(fd, real().fcntl(fd, command, argument));
    case F_SETLKW:
    case F_OFD_SETLKW: {
      if (!on_fiber()) break;
      runtime_scope scope;
      int try_lock = command == F_SETLKW ? F_SETLK : F_OFD_SETLK;
      return static_cast<int>(result_of(io::lock_record(fd, try_lock, argument)));
    }
  }
  return real().fcntl(fd, command, argument);
}

// ---- opening

int open_at(int directory, const char* path, int flags, mode_t mode) {
  if (!on_fiber())
    return noted(real().openat(directory, path, flags, mode),
                 [](int fd) { io::adopt_unknown(fd); });
  runtime_scope scope;
  return static_cast<int>(result_of(io::open(directory, path, flags, mode)));
}

bool takes_mode(int flags) { return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE; }

// libc closes the stream's descriptor out of our sight.
void retire_stream(FILE* stream) {
  if (dormant() || stream == nullptr) return;
  runtime_scope scope;
  int kept = errno;
  int fd = fileno_unlocked(stream);
  errno = kept;
  if (fd >= 0) retire_descriptor(fd);
}

}  // namespace

// ---- ends

EXPORT
int close(int fd) {
  if (dormant()) return real().close(fd);
  bool fiber = on_fiber();
  runtime_scope scope;
  if (fiber) cancellation_point();
  if (runtime_owns_descriptor(fd)) return refuse(EBADF);
  descriptor* d = descriptor_of(fd);
  bool waits = fiber && d != nullptr && d->lingers.load(std::memory_order_relaxed);
  retire_descriptor(fd);
  long result = waits ? offload(SYS_close, fd) : sys::close(fd);
  // Cut before it began: closed it must be.
  if (waits && result == -ECANCELED) result = sys::close(fd);
  return static_cast<int>(result_of(result));
}

EXPORT
int close_range(unsigned first, unsigned last, int flags) noexcept {
  return close_many(first, last, flags);
}

EXPORT
void closefrom(int first) noexcept {
  if (dormant()) return real().closefrom(first);
  int kept = errno;
  close_many(first < 0 ? 0 : static_cast<unsigned>(first), ~0u, 0);
  errno = kept;
}

EXPORT
int fclose(FILE* stream) {
  retire_stream(stream);
  return real().fclose(stream);
}

EXPORT
FILE* freopen(const char* path, const char* mode, FILE* stream) {
  retire_stream(stream);
  return real().freopen(path, mode, stream);
}

// ---- duplicates

EXPORT
int dup(int fd) noexcept { return duplicated(fd, real().dup(fd)); }

EXPORT
int dup2(int from, int to) noexcept {
  if (from == to) return real().dup2(from, to);
  return dup3(from, to, 0);
}

EXPORT
int dup3(int from, int to, int flags) noexcept {
  bool invalid = from == to || sys::failed(sys::call(SYS_fcntl, from, F_GETFD));
  if (dormant() || invalid) return duplicated(from, real().dup3(from, to, flags));
  runtime_scope scope;
  if (runtime_owns_descriptor(to)) return refuse(EBADF);
  retire_descriptor(to);
  return duplicated(from, real().dup3(from, to, flags));
}

// ---- changes

EXPORT
int fcntl(int fd, int command, ...) {
  va_list rest;
  va_start(rest, command);
  void* argument = va_arg(rest, void*);
  va_end(rest);
  if (dormant()) {
    int result = real().fcntl(fd, command, argument);
    bool duplicates = command == F_DUPFD || command == F_DUPFD_CLOEXEC;
    return duplicates ? duplicated(fd, result) : result;
  }
  return control(fd, command, argument);
}

EXPORT
int ioctl(int fd, unsigned long request, ...) noexcept {
  va_list rest;
  va_start(rest, request);
  void* argument = va_arg(rest, void*);
  va_end(rest);
  if (dormant() || request != FIONBIO) return real().ioctl(fd, request, argument);
  runtime_scope scope;
  return set_nonblocking(fd, static_cast<int*>(argument));
}

EXPORT
int flock(int fd, int operation) noexcept {
  if (!on_fiber()) return real().flock(fd, operation);
  runtime_scope scope;
  return static_cast<int>(result_of(io::lock_file(fd, operation)));
}

EXPORT
int lockf(int fd, int command, off_t size) {
  if (!on_fiber() || command != F_LOCK) return real().lockf(fd, command, size);
  struct flock record {};
  record.l_type = F_WRLCK;
  record.l_whence = SEEK_CUR;
  record.l_len = size;
  runtime_scope scope;
  return static_cast<int>(result_of(io::lock_record(fd, F_SETLK, &record)));
}

// ---- beginnings

EXPORT
int pipe2(int fds[2], int flags) noexcept {
  int result = real().pipe2(fds, flags);
  if (result != 0) return result;
  for (int i = 0; i < 2; ++i) made(fds[i], descriptor_kind::pipe, (flags & O_NONBLOCK) != 0);
  return result;
}

EXPORT
int pipe(int fds[2]) noexcept { return pipe2(fds, 0); }

EXPORT
int eventfd(unsigned initial, int flags) noexcept {
  return made(real().eventfd(initial, flags), descriptor_kind::counter,
              (flags & EFD_NONBLOCK) != 0);
}

EXPORT
int timerfd_create(int clock, int flags) noexcept {
  return made(real().timerfd_create(clock, flags), descriptor_kind::counter,
              (flags & TFD_NONBLOCK) != 0);
}

EXPORT
int open(const char* path, int flags, ...) {
  mode_t mode = 0;
  if (takes_mode(flags)) {
    va_list rest;
    va_start(rest, flags);
    mode = va_arg(rest, mode_t);
    va_end(rest);
  }
  return open_at(AT_FDCWD, path, flags, mode);
}

EXPORT
int openat(int directory, const char* path, int flags, ...) {
  mode_t mode = 0;
  if (takes_mode(flags)) {
    va_list rest;
    va_start(rest, flags);
    mode = va_arg(rest, mode_t);
    va_end(rest);
  }
  return open_at(directory, path, flags, mode);
}

EXPORT
int creat(const char* path, mode_t mode) {
  return open_at(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}
