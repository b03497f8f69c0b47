// Scatter/gather vectors of the program, which must not be changed: what is left of one after some
// of its bytes went.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdint.h>
#include <sys/uio.h>

namespace vervet::interpose::io {

inline size_t bytes_of(const iovec* vector, size_t count) {
  size_t sum = 0;
  for (size_t i = 0; i < count; ++i) sum += vector[i].iov_len;
  return sum;
}

class vector_rest {
 public:
  // How many pieces are moved at a time: a remainder is sent in parts rather than copied to a heap.
  static constexpr size_t pieces = 8;

  vector_rest(const iovec* vector, size_t count) : at_(vector), count_(count) {}

  void skip(size_t bytes) {
    while (count_ > 0 && bytes >= at_->iov_len - gone_) {
      bytes -= at_->iov_len - gone_;
      ++at_;
      --count_;
      gone_ = 0;
    }
    if (count_ > 0) gone_ += bytes;
  }

  bool empty() const { return count_ == 0; }

  // The next pieces, of at most `most` bytes in all. Returns how many.
  size_t front(iovec (&out)[pieces], size_t most = SIZE_MAX) const {
    size_t used = 0;
    for (size_t i = 0; i < count_ && used < pieces && most > 0; ++i) {
      size_t gone = i == 0 ? gone_ : 0;
      size_t length = at_[i].iov_len - gone;
      if (length == 0) continue;
      if (length > most) length = most;
      out[used++] = {static_cast<char*>(at_[i].iov_base) + gone, length};
      most -= length;
    }
    return used;
  }

 private:
  const iovec* at_;
  size_t count_;
  size_t gone_ = 0;  // of the first
};

}  // namespace vervet::interpose::io
