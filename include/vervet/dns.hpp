// Names to addresses: dns::resolve.
#pragma once

#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <netdb.h>
#include <sys/socket.h>

#include <vervet/abi.h>
#include <vervet/address.hpp>
#include <vervet/error.hpp>
#include <vervet/event.hpp>
#include <vervet/time.hpp>

namespace vervet::dns {

// What getaddrinfo() fails with: error.code() == std::error_code(EAI_NONAME, dns::category()).
inline const std::error_category& category() noexcept {
  struct eai final : std::error_category {
    const char* name() const noexcept override { return "dns"; }
    std::string message(int code) const override { return ::gai_strerror(code); }
  };
  static const eai one;
  return one;
}

// What to look for.
struct hints {
  int family = AF_UNSPEC;  // AF_INET, AF_INET6: those alone
  int type = SOCK_STREAM;  // what the service's port is for
  int flags = 0;           // AI_PASSIVE (to listen), AI_ADDRCONFIG, AI_V4MAPPED …
};

namespace detail {

// A question to the system's resolver. Its own owner while a thread works on it.
struct query : vervet_job {
  std::string host, service;
  addrinfo wanted{};
  int code = 0;
  int error = 0;  // errno, if the code is EAI_SYSTEM
  std::vector<address> found;
  event answered;
  std::shared_ptr<query> own;

  query(std::string h, std::string s, const hints& how)
      : vervet_job{}, host(std::move(h)), service(std::move(s)) {
    wanted.ai_family = how.family;
    wanted.ai_socktype = how.type;
    wanted.ai_flags = how.flags;
    run = [](vervet_job* job) {
      std::shared_ptr<query> self = std::move(static_cast<query*>(job)->own);
      self->ask(0);
      self->answered.set();
    };
  }

  void ask(int more_flags) noexcept {
    addrinfo how = wanted, *list = nullptr;
    how.ai_flags |= more_flags;
    code = ::getaddrinfo(host.empty() ? nullptr : host.c_str(),
                         service.empty() ? nullptr : service.c_str(), &how, &list);
    error = errno;
    if (code != 0) return;
    try {
      for (addrinfo* a = list; a != nullptr; a = a->ai_next)
        found.emplace_back(a->ai_addr, a->ai_addrlen);
    } catch (...) {
      code = EAI_MEMORY;
    }
    ::freeaddrinfo(list);
  }

  std::vector<address> answer() {
    std::error_code failure(code, category());
    if (code == EAI_SYSTEM) failure.assign(error, std::generic_category());
    if (code != 0) throw std::system_error(failure, "vervet: resolve " + host);
    return std::move(found);
  }
};

}  // namespace detail

// resolve() returns the addresses of `host` ("" for this one's) with the port of `service` (a
// number, a name of /etc/services, or ""), the best first, as getaddrinfo() does, by the system's
// own rules (/etc/hosts, nsswitch.conf).
//
// Numbers are answered at once. For names a thread of the default pool (offload()) asks, while the
// calling fiber, or the OS thread, is parked: as many questions at a time as that has threads.
// Throws std::system_error: dns::category(), or generic_category() for EAI_SYSTEM; timed_out and
// cut_short, while the question goes on unheard: getaddrinfo() cannot be stopped.
// Any thread.
inline std::vector<address> resolve(std::string host, std::string service = {},
                                    const hints& how = {}, deadline until = {}) {
  auto asked = std::make_shared<detail::query>(std::move(host), std::move(service), how);
  asked->ask(AI_NUMERICHOST | AI_NUMERICSERV);
  if (asked->code != EAI_NONAME || (how.flags & AI_NUMERICHOST) != 0) return asked->answer();
  asked->own = asked;
  int error = vervet_thread_pool_submit(nullptr, asked.get(), until.monotonic());
  if (error != 0) asked->own.reset();
  if (error == ETIMEDOUT) throw timed_out("vervet: resolve");
  if (error != 0) vervet::detail::throw_wait_error(error, "vervet: resolve");
  // Not if no thread has begun: nobody wants to know any more.
  struct leaving {
    detail::query& q;
    ~leaving() {
      if (!q.answered.is_set() && vervet_thread_pool_withdraw(nullptr, &q) != 0) q.own.reset();
    }
  } at_the_end{*asked};
  if (!asked->answered.wait(until)) throw timed_out("vervet: resolve");
  return asked->answer();
}
inline std::vector<address> resolve(std::string host, std::uint16_t port, const hints& how = {},
                                    deadline until = {}) {
  return resolve(std::move(host), std::to_string(port), how, until);
}

}  // namespace vervet::dns
