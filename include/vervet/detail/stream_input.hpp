// What a stream has read ahead. Not for direct use.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include <vervet/buffer.hpp>

namespace vervet::detail {

// Bytes in [begin_, end_) of a block that grows when it is full.
class stream_input {
 public:
  std::size_t size() const noexcept { return end_ - begin_; }
  std::string_view view() const noexcept { return {block_.get() + begin_, size()}; }

  // Where the next bytes go; valid until the next call. Never empty.
  buffer room() {
    if (end_ == capacity_) make_room();
    return {block_.get() + end_, capacity_ - end_};
  }
  void filled(std::size_t n) noexcept { end_ += n; }

  // REQUIRES: n <= size().
  std::string take(std::size_t n) {
    std::string taken(view().substr(0, n));
    drop(n);
    return taken;
  }
  // As much as there is and fits.
  std::size_t take(buffer to) noexcept {
    std::size_t n = std::min(to.size(), size());
    if (n != 0) std::memcpy(to.data(), block_.get() + begin_, n);
    drop(n);
    return n;
  }

 private:
  static constexpr std::size_t first_block = 4096;
  static constexpr std::size_t kept_block = 65536;

  void drop(std::size_t n) noexcept {
    begin_ += n;
    if (begin_ != end_) return;
    begin_ = end_ = 0;
    if (capacity_ <= kept_block) return;
    block_.reset();
    capacity_ = 0;
  }

  void make_room() {
    std::size_t used = size();
    if (begin_ >= capacity_ / 2 && capacity_ != 0) {
      std::memmove(block_.get(), block_.get() + begin_, used);
    } else {
      std::size_t larger = std::max(first_block, 2 * capacity_);
      auto block = std::make_unique_for_overwrite<char[]>(larger);
      if (used != 0) std::memcpy(block.get(), block_.get() + begin_, used);
      block_ = std::move(block);
      capacity_ = larger;
    }
    begin_ = 0;
    end_ = used;
  }

  std::unique_ptr<char[]> block_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace vervet::detail
