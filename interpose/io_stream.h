// What calls on bytes and calls on messages share.
#pragma once

#include "interpose/io_vector.h"
#include "interpose/io_wait.h"

namespace vervet::interpose::io {

// A non-owning reference to a call to be made again.
class call_again {
 public:
  template <typename Call>
  call_again(Call& call)  // NOLINT: implicit, so that a lambda can be passed
      : object_(&call), call_([](void* object) { return (*static_cast<Call*>(object))(); }) {}
  long operator()() const { return call_(object_); }

 private:
  void* object_;
  long (*call_)(void*);
};

// recvfrom and sendto on a descriptor that may wait.
long receive_bytes(operation& op, void* buffer, size_t size, int flags, sockaddr* from,
                   socklen_t* from_size);
long send_bytes(operation& op, const void* buffer, size_t size, int flags, const sockaddr* to,
                socklen_t to_size);
// recvmsg and sendmsg on one.
long receive_one(operation& op, msghdr* message, int flags);
long send_one(operation& op, const msghdr* message, int flags);

// True if the kernel's own answer does: nothing to wait for, or not to be waited for.
bool receives_at_once(const descriptor* d, int flags);
bool sends_at_once(const descriptor* d, int flags);

// SO_RCVLOWAT: true if a blocking receive of `size` would wait, though something may be there.
bool waits_for_more(const operation& op, size_t size);
inline bool too_little_yet(const operation& op, size_t size, int flags) {
  if (op.d.low_water.load(std::memory_order_relaxed) == 0) [[likely]]
    return false;
  bool bytes = !is_kind(op.d, descriptor_kind::datagram);
  return bytes && (flags & MSG_WAITALL) == 0 && waits_for_more(op, size);
}

// What EAGAIN means: a datagram socket that was shut down for reading says 0 only to who waits.
long end_or_again(const operation& op);

// settle() for a receive with these flags.
void settle_read(const operation& op, long moved, size_t wanted, int flags);

// A receive that does not wait tells what is left all the same: the poll() that follows can park at
// once.
template <typename Call>
long note_receive(int fd, descriptor& d, size_t size, int flags, Call call) {
  operation op = reading(fd, d);
  if ((flags & (MSG_OOB | MSG_ERRQUEUE)) != 0) return call();
  begin(op);
  long moved = call();
  settle_read(op, moved, size, flags & ~MSG_DONTWAIT);
  return moved;
}

// True if the socket has an error to report. The kernel leaves it for the next call if data went
// before it.
bool error_pending(const operation& op);

// The first call received `moved` of `wanted` bytes into `rest`. If MSG_WAITALL asks for it,
// receives on until all is there. `again` is the first call, for peeking. Returns the bytes in all.
long wait_for_all(operation& op, long moved, size_t wanted, int flags, vector_rest rest,
                  call_again again);

// The first call sent `moved` of the `wanted` bytes in `rest`. A stream sends all of it unless an
// error, a timeout or a signal comes between. Returns the bytes in all.
long send_all(operation& op, long moved, size_t wanted, int flags, vector_rest rest);

}  // namespace vervet::interpose::io
