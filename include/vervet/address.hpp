// Where a socket is: address.
#pragma once

#include <charconv>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace vervet {

// An address of IPv4 or IPv6 with its port, or a path or abstract name of AF_UNIX. A value: copies
// are independent; no call blocks. An empty one (family AF_UNSPEC) names nothing: an unbound
// socket's.
//
//     address("127.0.0.1", 80)   address("::1", 0)   address::unix_path("/run/x.sock")
class address {
 public:
  address() noexcept { storage_.any.sa_family = AF_UNSPEC; }

  // A literal of IPv4 or IPv6 ("fe80::1%2": with the number of its interface), never a name:
  // names are for dns::resolve(). Throws std::invalid_argument.
  address(std::string_view literal, std::uint16_t port) {
    std::string text(literal.substr(0, literal.find('%')));
    if (inet_pton(AF_INET, text.c_str(), &storage_.v4.sin_addr) == 1 && text == literal) {
      storage_.v4.sin_family = AF_INET;
      storage_.v4.sin_port = htons(port);
      size_ = sizeof storage_.v4;
      return;
    }
    if (inet_pton(AF_INET6, text.c_str(), &storage_.v6.sin6_addr) != 1)
      throw std::invalid_argument("vervet: not an IP address: " + std::string(literal));
    storage_.v6.sin6_family = AF_INET6;
    storage_.v6.sin6_port = htons(port);
    if (text.size() != literal.size())
      storage_.v6.sin6_scope_id = scope_of(literal.substr(text.size() + 1));
    size_ = sizeof storage_.v6;
  }

  // As the kernel gives it. Throws std::invalid_argument if it is too long.
  address(const sockaddr* raw, socklen_t size) : size_(size) {
    if (size > sizeof storage_) throw std::invalid_argument("vervet: address too long");
    storage_.any.sa_family = AF_UNSPEC;
    std::memcpy(&storage_, raw, size);
  }

  // This host alone, IPv4.
  static address loopback(std::uint16_t port) { return {"127.0.0.1", port}; }
  // Every interface, IPv4; "::" for IPv6 (and IPv4, unless listen_options say otherwise).
  static address any(std::uint16_t port) { return {"0.0.0.0", port}; }

  // A file's path; or, if it begins with a zero byte, a name of Linux's abstract space, which needs
  // no file and goes with its last socket. Throws std::invalid_argument if empty or beyond 107
  // bytes.
  static address unix_path(std::string_view path) {
    address made;
    sockaddr_un& to = made.storage_.local;
    if (path.empty() || path.size() >= sizeof to.sun_path)
      throw std::invalid_argument("vervet: unix path empty or too long: " + std::string(path));
    to.sun_family = AF_UNIX;
    std::memcpy(to.sun_path, path.data(), path.size());
    made.size_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
    if (path[0] != 0) ++made.size_;  // with the zero at its end
    return made;
  }

  // AF_INET, AF_INET6, AF_UNIX; AF_UNSPEC if it is empty.
  int family() const noexcept { return storage_.any.sa_family; }

  // 0 if it has none.
  std::uint16_t port() const noexcept {
    if (family() == AF_INET) return ntohs(storage_.v4.sin_port);
    return family() == AF_INET6 ? ntohs(storage_.v6.sin6_port) : 0;
  }

  // The same host, another port. No effect on AF_UNIX.
  address with_port(std::uint16_t port) const noexcept {
    address other = *this;
    if (family() == AF_INET) other.storage_.v4.sin_port = htons(port);
    if (family() == AF_INET6) other.storage_.v6.sin6_port = htons(port);
    return other;
  }

  // The literal without the port; the path ("" if unnamed; an abstract name begins with a zero
  // byte).
  std::string host() const {
    char text[INET6_ADDRSTRLEN] = {};
    if (family() == AF_INET) return inet_ntop(AF_INET, &storage_.v4.sin_addr, text, sizeof text);
    if (family() == AF_INET6) {
      std::string name = inet_ntop(AF_INET6, &storage_.v6.sin6_addr, text, sizeof text);
      if (storage_.v6.sin6_scope_id != 0) name += '%' + std::to_string(storage_.v6.sin6_scope_id);
      return name;
    }
    std::size_t offset = offsetof(sockaddr_un, sun_path);
    if (family() != AF_UNIX || size_ <= offset) return {};
    std::string_view path(storage_.local.sun_path, size_ - offset);
    if (path[0] != 0) path = path.substr(0, path.find('\0'));
    return std::string(path);
  }

  // For people: "127.0.0.1:80", "[::1]:80", "/run/x.sock", "@abstract".
  std::string to_string() const {
    std::string name = host();
    if (family() == AF_INET) return name + ':' + std::to_string(port());
    if (family() == AF_INET6) return '[' + name + "]:" + std::to_string(port());
    if (!name.empty() && name[0] == 0) name[0] = '@';
    return name;
  }

  // For system calls.
  const sockaddr* data() const noexcept { return &storage_.any; }
  socklen_t size() const noexcept { return size_; }

  friend bool operator==(const address& a, const address& b) noexcept {
    return a.size_ == b.size_ && std::memcmp(&a.storage_, &b.storage_, a.size_) == 0;
  }

 private:
  static std::uint32_t scope_of(std::string_view digits) {
    std::uint32_t scope = 0;
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), scope);
    if (error != std::errc() || end != digits.data() + digits.size())
      throw std::invalid_argument("vervet: interface is no number: " + std::string(digits));
    return scope;
  }

  union storage {
    sockaddr_storage whole;
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
    sockaddr_un local;
  } storage_{};
  socklen_t size_ = 0;
};

}  // namespace vervet
