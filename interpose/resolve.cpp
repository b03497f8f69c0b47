// Names to addresses and back. libc's resolver waits inside libc, out of our sight, and some of its
// modules wait for other processes: on a light fiber, whose host has other fibers to run, the call
// is made by a thread of the pool. On a full fiber the monitor relieves the carrier meanwhile.
//
// The resolver's per-thread state (_res) is that thread's, so what a program sets there does not
// count. The call is cut (ECANCELED) only as long as no thread has begun with it.
#include <arpa/inet.h>
#include <netdb.h>

#include "interpose/dormant.h"
#include "interpose/real.h"

namespace vervet::interpose {
namespace {

bool on_light_fiber() { return on_fiber() && self_state.current->kind == fiber_kind::light; }

// Addresses in digits are read, not looked up.
bool is_address(const char* name) {
  in6_addr room;
  return inet_pton(AF_INET, name, &room) == 1 || inet_pton(AF_INET6, name, &room) == 1;
}

// Makes the call, elsewhere if there is somewhere, with errno and h_errno as it leaves them.
// Returns `cut` if it was not made, with errno ECANCELED.
template <typename Result, typename Call>
Result resolve(Result cut, Call call) {
  struct job {
    Call& call;
    Result result;
    int error;
    int host_error;
  };
  if (!on_light_fiber()) return call();
  job j{call, cut, 0, 0};
  auto perform = [](void* argument) -> void* {
    job& here = *static_cast<job*>(argument);
    errno = 0;
    here.result = here.call();
    here.error = errno;
    here.host_error = h_errno;
    return nullptr;
  };
  int error = vervet_offload(perform, &j, nullptr);
  if (error == ECANCELED) {
    errno = ECANCELED;
    h_errno = TRY_AGAIN;
    return cut;
  }
  if (error != 0) return call();  // no thread can be made: the host waits
  if (j.error != 0) errno = j.error;
  h_errno = j.host_error;
  return j.result;
}

// Of the functions that tell how it went in their arguments.
template <typename Call>
int resolve_into(hostent** result, int* host_error, Call call) {
  int error = resolve(ECANCELED, call);
  if (error == ECANCELED) {
    *result = nullptr;
    *host_error = TRY_AGAIN;
  }
  return error;
}

}  // namespace
}  // namespace vervet::interpose

using namespace vervet;
using namespace vervet::interpose;

EXPORT
int getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** found) {
  if (node == nullptr || is_address(node)) return real().getaddrinfo(node, service, hints, found);
  return resolve(EAI_SYSTEM, [=] { return real().getaddrinfo(node, service, hints, found); });
}

EXPORT
int getnameinfo(const sockaddr* address, socklen_t size, char* host, socklen_t host_size,
                char* service, socklen_t service_size, int flags) {
  constexpr int digits = NI_NUMERICHOST | NI_NUMERICSERV;
  if ((flags & digits) == digits)
    return real().getnameinfo(address, size, host, host_size, service, service_size, flags);
  return resolve(EAI_SYSTEM, [=] {
    return real().getnameinfo(address, size, host, host_size, service, service_size, flags);
  });
}

EXPORT
hostent* gethostbyname(const char* name) {
  return resolve<hostent*>(nullptr, [=] { return real().gethostbyname(name); });
}

EXPORT
hostent* gethostbyname2(const char* name, int family) {
  return resolve<hostent*>(nullptr, [=] { return real().gethostbyname2(name, family); });
}

EXPORT
hostent* gethostbyaddr(const void* address, socklen_t size, int family) {
  return resolve<hostent*>(nullptr, [=] { return real().gethostbyaddr(address, size, family); });
}

EXPORT
int gethostbyname_r(const char* name, hostent* host, char* buffer, size_t size, hostent** result,
                    int* host_error) {
  return resolve_into(result, host_error, [=] {
    return real().gethostbyname_r(name, host, buffer, size, result, host_error);
  });
}

EXPORT
int gethostbyname2_r(const char* name, int family, hostent* host, char* buffer, size_t size,
                     hostent** result, int* host_error) {
  return resolve_into(result, host_error, [=] {
    return real().gethostbyname2_r(name, family, host, buffer, size, result, host_error);
  });
}

EXPORT
int gethostbyaddr_r(const void* address, socklen_t address_size, int family, hostent* host,
                    char* buffer, size_t size, hostent** result, int* host_error) {
  return resolve_into(result, host_error, [=] {
    return real().gethostbyaddr_r(address, address_size, family, host, buffer, size, result,
                                  host_error);
  });
}
