// Learning and keeping the facts about descriptors.
#include "interpose/io_descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>

namespace vervet::interpose::io {
namespace {

long get_option(int fd, int level, int name, void* value, socklen_t size) {
  return sys::call(SYS_getsockopt, fd, level, name, sys::word(value), sys::word(&size));
}

int int_option(int fd, int name) {
  int value = 0;
  get_option(fd, SOL_SOCKET, name, &value, sizeof value);
  return value;
}

void learn_linger(int fd, descriptor& d) {
  linger l{};
  if (get_option(fd, SOL_SOCKET, SO_LINGER, &l, sizeof l) == 0) note_linger(d, l);
}

descriptor_kind classify_socket(int fd, descriptor& d) {
  d.listening.store(int_option(fd, SO_ACCEPTCONN) != 0, std::memory_order_relaxed);
  learn_timeouts(fd, d);
  note_low_water(d, int_option(fd, SO_RCVLOWAT));
  learn_linger(fd, d);
  descriptor_kind kind =
      socket_kind(int_option(fd, SO_DOMAIN), int_option(fd, SO_TYPE), int_option(fd, SO_PROTOCOL));
  char upper_protocol[16] = {};
  // With kernel TLS a read ends at a record's end: a short one proves nothing.
  if (kind == descriptor_kind::tcp &&
      get_option(fd, IPPROTO_TCP, TCP_ULP, upper_protocol, sizeof upper_protocol) == 0 &&
      upper_protocol[0] != 0)
    return descriptor_kind::stream;
  return kind;
}

// Writes "/proc/self/fd/<fd>".
void proc_path(int fd, char (&path)[32]) {
  constexpr char prefix[] = "/proc/self/fd/";
  memcpy(path, prefix, sizeof prefix);
  char digits[12];
  int count = 0;
  for (int rest = fd; count == 0 || rest != 0; rest /= 10)
    digits[count++] = static_cast<char>('0' + rest % 10);
  char* out = path + sizeof prefix - 1;
  while (count > 0) *out++ = digits[--count];
  *out = 0;
}

descriptor_kind classify_anonymous(int fd) {
  char path[32];
  char name[40] = {};
  proc_path(fd, path);
  sys::call(SYS_readlink, sys::word(path), sys::word(name), sizeof name - 1);
  if (strcmp(name, "anon_inode:[eventpoll]") == 0) return descriptor_kind::epoll;
  if (strcmp(name, "anon_inode:[eventfd]") == 0 || strcmp(name, "anon_inode:[timerfd]") == 0 ||
      strcmp(name, "anon_inode:[signalfd]") == 0)
    return descriptor_kind::counter;
  return descriptor_kind::pollable;
}

descriptor_kind classify_device(int fd, dev_t device) {
  constexpr unsigned memory_devices = 1;  // null, zero, full, random…
  constexpr unsigned kernel_log = 11;
  if (major(device) == memory_devices && minor(device) != kernel_log)
    return descriptor_kind::never_parks;
  termios settings;
  if (!sys::failed(sys::call(SYS_ioctl, fd, TCGETS, sys::word(&settings))))
    return descriptor_kind::terminal;
  return descriptor_kind::pollable;
}

descriptor_kind kind_of(int fd, const struct stat& status, descriptor& d) {
  switch (status.st_mode & S_IFMT) {
    case S_IFSOCK: return classify_socket(fd, d);
    case S_IFIFO: return descriptor_kind::pipe;
    case S_IFCHR: return classify_device(fd, status.st_rdev);
    case 0: return classify_anonymous(fd);
    default: return descriptor_kind::never_parks;
  }
}

// A descriptor from before the runtime woke, inherited, received, or made by a call that we do not
// see.
void classify(int fd, descriptor& d) {
  struct stat status;
  if (sys::failed(sys::call(SYS_fstat, fd, sys::word(&status)))) return;
  descriptor_kind kind = kind_of(fd, status, d);
  d.nonblocking.store(kernel_nonblocking(fd), std::memory_order_relaxed);
  d.shared.store(!S_ISSOCK(status.st_mode) || !born_here(fd), std::memory_order_relaxed);
  d.kind.store(kind, std::memory_order_release);
}

// The entry of a number that means something new. A close inside libc may have gone unseen.
descriptor* renew(int fd) {
  descriptor* d = descriptor_of(fd);
  if (d == nullptr) return nullptr;
  if (!is_kind(*d, descriptor_kind::unknown) || d->registered.load(std::memory_order_relaxed) != 0)
    retire_descriptor(fd);
  return d;
}

}  // namespace

descriptor* classified(int fd) {
  descriptor* d = descriptor_of(fd);
  if (d == nullptr) return nullptr;
  classify(fd, *d);
  return is_kind(*d, descriptor_kind::unknown) ? nullptr : d;
}

descriptor_kind socket_kind(int domain, int type, int protocol) {
  if ((type & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) != SOCK_STREAM) return descriptor_kind::datagram;
  bool internet = domain == AF_INET || domain == AF_INET6;
  if (internet && (protocol == 0 || protocol == IPPROTO_TCP)) return descriptor_kind::tcp;
  return descriptor_kind::stream;
}

void adopt(int fd, descriptor_kind kind, bool nonblocking) {
  descriptor* d = renew(fd);
  if (d == nullptr) return;
  d->nonblocking.store(nonblocking, std::memory_order_relaxed);
  // A fork marks numbers that were not in use, too.
  d->shared.store(false, std::memory_order_relaxed);
  d->kind.store(kind, std::memory_order_release);
}

void adopt_unknown(int fd) { renew(fd); }

void adopt_accepted(int fd, const descriptor& listener, int flags) {
  adopt(fd, listener.kind.load(std::memory_order_relaxed), (flags & SOCK_NONBLOCK) != 0);
  bool timeouts = listener.receive_timeout.load(std::memory_order_relaxed) != 0 ||
                  listener.send_timeout.load(std::memory_order_relaxed) != 0;
  int mark = listener.low_water.load(std::memory_order_relaxed);
  descriptor* d = descriptor_of(fd);
  if (d == nullptr) return;
  // TCP's children inherit them, those of AF_UNIX do not.
  if (timeouts) learn_timeouts(fd, *d);
  if (mark != 0) note_low_water(*d, int_option(fd, SO_RCVLOWAT));
  if (listener.lingers.load(std::memory_order_relaxed)) learn_linger(fd, *d);
}

void adopt_duplicate(int from, int to) {
  descriptor* source = descriptor_of(from);
  descriptor* target = renew(to);
  if (source == nullptr || target == nullptr) return;
  if (is_kind(*source, descriptor_kind::unknown)) return forget_births();
  share(from, *source);
  target->nonblocking.store(source->nonblocking, std::memory_order_relaxed);
  target->listening.store(source->listening, std::memory_order_relaxed);
  target->receive_timeout.store(source->receive_timeout, std::memory_order_relaxed);
  target->send_timeout.store(source->send_timeout, std::memory_order_relaxed);
  target->low_water.store(source->low_water, std::memory_order_relaxed);
  target->lingers.store(source->lingers, std::memory_order_relaxed);
  target->shared.store(true, std::memory_order_relaxed);
  target->kind.store(source->kind, std::memory_order_release);
}

bool kernel_nonblocking(int fd) {
  long flags = sys::call(SYS_fcntl, fd, F_GETFL);
  return !sys::failed(flags) && (flags & O_NONBLOCK) != 0;
}

int64_t timeout_of(const timeval& t) {
  // A negative one means "at once" to the kernel, not "never".
  if (t.tv_sec < 0) return 1;
  return nanoseconds_of({t.tv_sec, t.tv_usec * 1000});
}

void learn_timeouts(int fd, descriptor& d) {
  timeval t{};
  if (get_option(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t) == 0)
    d.receive_timeout.store(timeout_of(t), std::memory_order_relaxed);
  if (get_option(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t) == 0)
    d.send_timeout.store(timeout_of(t), std::memory_order_relaxed);
}

void note_linger(descriptor& d, const linger& l) {
  d.lingers.store(l.l_onoff != 0 && l.l_linger > 0, std::memory_order_relaxed);
}

void note_low_water(descriptor& d, int mark) {
  d.low_water.store(mark > 1 ? mark : 0, std::memory_order_relaxed);
}

}  // namespace vervet::interpose::io
