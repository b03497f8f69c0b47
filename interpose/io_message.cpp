// recvmsg, sendmsg and their many-at-once forms.
#include "interpose/io.h"
#include "interpose/io_stream.h"

namespace vervet::interpose::io {
namespace {

constexpr unsigned most_messages = 1024;

// recvmmsg and sendmmsg report an error only if nothing went before it.
long many_or(unsigned done, long error) { return done > 0 ? static_cast<long>(done) : error; }

void adopt_all_passed(const mmsghdr* messages, long count) {
  for (long i = 0; i < count; ++i)
    if (messages[i].msg_hdr.msg_controllen > 0) adopt_passed(&messages[i].msg_hdr);
}

// One at a time, because the kernel looks at `timeout` after each (and not while it waits).
long receive_timed(operation& op, mmsghdr* messages, unsigned count, int flags, timespec* timeout) {
  if (timeout->tv_nsec < 0 || timeout->tv_nsec >= 1'000'000'000 || timeout->tv_sec < 0)
    return -EINVAL;
  deadline until = after(nanoseconds_of(*timeout));
  unsigned done = 0;
  long error = 0;
  int64_t left = 0;
  while (done < count) {
    op.until = operation::unset;
    bool wait_no_more = done > 0 && (flags & MSG_WAITFORONE) != 0;
    msghdr* m = &messages[done].msg_hdr;
    int one = flags & ~MSG_WAITFORONE;
    long moved = wait_no_more ? sys::call(SYS_recvmsg, op.fd, sys::word(m), one | MSG_DONTWAIT)
                              : receive_one(op, m, one);
    if (moved < 0) {
      error = moved;
      break;
    }
    messages[done].msg_len = static_cast<unsigned>(moved);
    ++done;
    left = until - now();
    if (left <= 0 || (m->msg_flags & MSG_OOB) != 0) break;
  }
  if (done > 0) *timeout = timespec_of(left > 0 ? left : 0);
  return many_or(done, error);
}

}  // namespace

long receive_one(operation& op, msghdr* m, int flags) {
  auto again = [&]() -> long {
    if (too_little_yet(op, bytes_of(m->msg_iov, m->msg_iovlen), flags)) return -EAGAIN;
    long result = sys::call(SYS_recvmsg, op.fd, sys::word(m), flags | MSG_DONTWAIT);
    return result == -EAGAIN ? end_or_again(op) : result;
  };
  long moved = attempt(op, again);
  if (moved < 0) {
    leave_rest(op);
    return moved;
  }
  size_t wanted = bytes_of(m->msg_iov, m->msg_iovlen);
  settle_read(op, moved, wanted, flags);
  bool brought = m->msg_controllen > 0;
  if (brought) adopt_passed(m);
  // The kernel too stops at what came with descriptors.
  if ((flags & MSG_WAITALL) == 0 || brought) return moved;
  return wait_for_all(op, moved, wanted, flags, vector_rest(m->msg_iov, m->msg_iovlen), again);
}

long send_one(operation& op, const msghdr* m, int flags) {
  long moved = attempt(op, [&] {
    long result = sys::call(SYS_sendmsg, op.fd, sys::word(m), flags | MSG_DONTWAIT);
    if (result != -EINPROGRESS) return result;
    flags &= ~MSG_FASTOPEN;
    return static_cast<long>(-EAGAIN);
  });
  if (moved < 0) {
    leave_rest(op);
    return moved;
  }
  size_t wanted = bytes_of(m->msg_iov, m->msg_iovlen);
  settle(op, moved, wanted);
  return send_all(op, moved, wanted, flags, vector_rest(m->msg_iov, m->msg_iovlen));
}

long receive_message(int fd, msghdr* message, int flags) {
  start_call();
  descriptor* d = known(fd);
  if (!receives_at_once(d, flags) && message != nullptr) {
    operation op = reading(fd, *d);
    return receive_one(op, message, flags);
  }
  long moved = lasting_call(SYS_recvmsg, fd, sys::word(message), flags);
  if (moved >= 0 && message->msg_controllen > 0) adopt_passed(message);
  return moved;
}

long send_message(int fd, const msghdr* message, int flags) {
  start_call();
  share_passed(message);
  descriptor* d = known(fd);
  if (sends_at_once(d, flags) || message == nullptr)
    return lasting_call(SYS_sendmsg, fd, sys::word(message), flags);
  operation op = writing(fd, *d);
  return send_one(op, message, flags);
}

long receive_messages(int fd, mmsghdr* messages, unsigned count, int flags, timespec* timeout) {
  start_call();
  descriptor* d = known(fd);
  if (receives_at_once(d, flags) || count == 0) {
    long got =
        lasting_call(SYS_recvmmsg, fd, sys::word(messages), count, flags, sys::word(timeout));
    adopt_all_passed(messages, got);
    return got;
  }
  if (count > most_messages) count = most_messages;
  operation op = reading(fd, *d);
  if (timeout != nullptr) return receive_timed(op, messages, count, flags, timeout);
  unsigned done = 0;
  while (done < count) {
    op.until = operation::unset;
    long got = attempt(op, [&] {
      return sys::call(SYS_recvmmsg, fd, sys::word(messages + done), count - done,
                       flags | MSG_DONTWAIT);
    });
    leave_rest(op);
    if (got <= 0) return many_or(done, got);
    adopt_all_passed(messages + done, got);
    done += static_cast<unsigned>(got);
    op.moved = true;
    if ((flags & MSG_WAITFORONE) != 0) break;
  }
  return done;
}

long send_messages(int fd, mmsghdr* messages, unsigned count, int flags) {
  start_call();
  if (count > most_messages) count = most_messages;
  for (unsigned i = 0; messages != nullptr && i < count; ++i) share_passed(&messages[i].msg_hdr);
  descriptor* d = known(fd);
  if (sends_at_once(d, flags) || count == 0)
    return lasting_call(SYS_sendmmsg, fd, sys::word(messages), count, flags);
  operation op = writing(fd, *d);
  bool stream = !is_kind(*d, descriptor_kind::datagram);
  unsigned done = 0;
  while (done < count) {
    op.until = operation::unset;
    op.moved = done > 0;
    long sent;
    if (stream) {
      // Each message whole: a part of one would end the kernel's batch.
      const msghdr& m = messages[done].msg_hdr;
      sent = send_one(op, &m, flags);
      if (sent >= 0) messages[done].msg_len = static_cast<unsigned>(sent);
      bool cut = sent >= 0 && static_cast<size_t>(sent) < bytes_of(m.msg_iov, m.msg_iovlen);
      if (cut) return done + 1;
    } else {
      sent = attempt(op, [&] {
        return sys::call(SYS_sendmmsg, fd, sys::word(messages + done), count - done,
                         flags | MSG_DONTWAIT);
      });
      leave_rest(op);
    }
    if (sent < 0) return many_or(done, sent);
    done += stream ? 1 : static_cast<unsigned>(sent);
  }
  return done;
}

}  // namespace vervet::interpose::io
