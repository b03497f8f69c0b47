// Bytes to read into and to write from: buffer, const_buffer.
#pragma once

#include <concepts>
#include <cstddef>
#include <ranges>
#include <string_view>
#include <type_traits>

namespace vervet {
namespace detail {

template <typename R>
concept bytes_range = std::ranges::contiguous_range<R> && std::ranges::sized_range<R> &&
    std::is_trivially_copyable_v<std::ranges::range_value_t<R>>;

template <typename R>
concept writable_range =
    bytes_range<R> && !std::is_const_v<std::remove_reference_t<std::ranges::range_reference_t<R>>>;

}  // namespace detail

// Memory that a call may fill: {pointer, size}, or anything contiguous of plain values: an array, a
// std::string, std::vector, std::span. It owns nothing. size() is in bytes.
class buffer {
 public:
  // The memory must be there for as long as the call that is given this goes on.
  constexpr buffer(void* data, std::size_t size) noexcept : data_(data), size_(size) {}
  template <detail::writable_range R>
  constexpr buffer(R&& range) noexcept  // NOLINT: implicit
      : data_(std::ranges::data(range)),
        size_(std::ranges::size(range) * sizeof(std::ranges::range_value_t<R>)) {}

  // Where it begins, and how many bytes it has.
  constexpr void* data() const noexcept { return data_; }
  constexpr std::size_t size() const noexcept { return size_; }

 private:
  void* data_;
  std::size_t size_;
};

// Memory that a call only reads: {pointer, size}, anything contiguous of plain values, or text. A
// char array and a literal are text, as for std::string_view: up to the first zero.
class const_buffer {
 public:
  // The memory must be there for as long as the call that is given this goes on.
  constexpr const_buffer(const void* data, std::size_t size) noexcept : data_(data), size_(size) {}
  constexpr const_buffer(buffer b) noexcept  // NOLINT: implicit
      : data_(b.data()), size_(b.size()) {}
  template <typename Text>
  requires std::convertible_to<const Text&, std::string_view>
  constexpr const_buffer(const Text& text) noexcept {  // NOLINT: implicit
    std::string_view view = text;
    data_ = view.data();
    size_ = view.size();
  }
  template <detail::bytes_range R>
  requires(!std::convertible_to<const std::remove_cvref_t<R>&, std::string_view> &&
           !std::same_as<std::remove_cvref_t<R>,
                         buffer>) constexpr const_buffer(R&& range) noexcept  // NOLINT: implicit
      : data_(std::ranges::data(range)),
        size_(std::ranges::size(range) * sizeof(std::ranges::range_value_t<R>)) {}

  // Where it begins, and how many bytes it has.
  constexpr const void* data() const noexcept { return data_; }
  constexpr std::size_t size() const noexcept { return size_; }
  // Without the first n bytes. REQUIRES: n <= size().
  constexpr const_buffer after(std::size_t n) const noexcept {
    return {static_cast<const char*>(data_) + n, size_ - n};
  }

 private:
  const void* data_;
  std::size_t size_;
};

// Whatever moves bytes as a socket does: fd, tcp_socket, unix_socket, pipes' ends, tls::stream.
// read_some() returns 0 at the end of what the peer has sent; write_some() takes at least a byte,
// or throws and takes none. One that keeps what it has taken has a flush(), too.
template <typename T>
concept byte_stream = requires(std::remove_reference_t<T>& s, buffer in, const_buffer out) {
  { s.read_some(in) } -> std::same_as<std::size_t>;
  { s.write_some(out) } -> std::same_as<std::size_t>;
};

}  // namespace vervet
