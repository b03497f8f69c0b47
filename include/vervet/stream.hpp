// Buffered reading and writing: stream.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <vervet/buffer.hpp>
#include <vervet/detail/stream_input.hpp>
#include <vervet/detail/turn.hpp>
#include <vervet/detail/uncut.hpp>
#include <vervet/error.hpp>
#include <vervet/fiber.hpp>
#include <vervet/semaphore.hpp>
#include <vervet/time.hpp>

namespace vervet {

// Thrown when the peer has ended before a read had what it was to read. What came is in partial(),
// and read.
class incomplete_read : public std::runtime_error {
 public:
  // Made by the stream.
  explicit incomplete_read(std::string partial)
      : std::runtime_error("vervet: the stream ended in the middle of what was read"),
        partial_(std::make_shared<const std::string>(std::move(partial))) {}
  // What has come. As long as this, or a copy of it.
  const std::string& partial() const noexcept { return *partial_; }

 private:
  std::shared_ptr<const std::string> partial_;
};

// Thrown when there is no delimiter within the limit. Nothing was read: read() gets at it.
class limit_overrun : public std::runtime_error {
 public:
  limit_overrun() : std::runtime_error("vervet: no delimiter within the stream's limit") {}
};

// A stream reads and writes through buffers, over any byte_stream: asyncio's StreamReader and
// StreamWriter in one.
//
//     stream peer(tcp_socket::connect(where));   // owns the socket
//     stream peer(socket);                       // refers to it
//     peer.write("hello\n");
//     std::string answer = peer.read_line(5s);
//
// Writes gather until flush(), until there are 64 KiB of them, or until a read has to wait for the
// peer: the question leaves before one waits for the answer, a forgotten flush() hangs nobody.
// One may read and write at a time; several readers, and several writers, take turns, a call each,
// first come first served (asyncio raises RuntimeError, two greenlets' reads mix).
//
// Calls park the calling fiber, or the OS thread if it hosts none. They throw timed_out at `until`,
// cut_short, and what the transport throws. A read that throws has taken nothing but what
// incomplete_read tells; a write that throws may have sent a part of what was written before, and
// keeps the rest of that for the next: of its own bytes it has taken none, or, were they 64 KiB or
// more, an unknown part.
// Movable, not copyable. The destructor sends what can be sent without waiting; close() all of it.
template <typename Transport>
requires byte_stream<Transport>
class stream {
 public:
  // `limit`: bytes that read_until() and read_line() look through.
  explicit stream(Transport&& transport, std::size_t limit = std::size_t{1} << 16)
      : state_(std::make_unique<state>(std::forward<Transport>(transport), limit)) {}
  stream(stream&&) noexcept = default;
  stream& operator=(stream&& other) noexcept {
    if (state_ != nullptr) send_what_goes();
    state_ = std::move(other.state_);
    return *this;
  }
  ~stream() {
    if (state_ != nullptr) send_what_goes();
  }

  // ---- Reading

  // read() waits until there is something, and returns up to `most` bytes of it; "" at the end.
  std::string read(std::size_t most, deadline until = {}) {
    detail::turn reading(state_->reading, until, "vervet: read");
    auto& in = state_->in;
    if (most != 0 && in.size() == 0) fill(until);
    return in.take(std::min(most, in.size()));
  }
  // The same into memory of the caller's, which makes a stream a byte_stream itself.
  std::size_t read_some(buffer to, deadline until = {}) {
    detail::turn reading(state_->reading, until, "vervet: read");
    auto& in = state_->in;
    if (to.size() != 0 && in.size() == 0) fill(until);
    return in.take(to);
  }

  // read_all() returns everything up to the end.
  std::string read_all(deadline until = {}) {
    detail::turn reading(state_->reading, until, "vervet: read");
    while (fill(until)) {
    }
    return state_->in.take(state_->in.size());
  }

  // read_exactly() waits for n bytes. Throws incomplete_read if the stream ends before.
  std::string read_exactly(std::size_t n, deadline until = {}) {
    detail::turn reading(state_->reading, until, "vervet: read");
    await(n, until);
    return state_->in.take(n);
  }
  void read_exactly(buffer to, deadline until = {}) {
    detail::turn reading(state_->reading, until, "vervet: read");
    await(to.size(), until);
    state_->in.take(to);
  }

  // read_until() returns everything up to and including the next `delimiter`. Throws
  // incomplete_read if the stream ends before; limit_overrun; std::invalid_argument if `delimiter`
  // is empty.
  std::string read_until(std::string_view delimiter, deadline until = {}) {
    return read_until(delimiter, state_->limit, until);
  }
  std::string read_until(std::string_view delimiter, std::size_t limit, deadline until = {}) {
    detail::turn reading(state_->reading, until, "vervet: read");
    std::size_t length = find(delimiter, limit, until);
    if (length == 0) throw incomplete_read(state_->in.take(state_->in.size()));
    return state_->in.take(length);
  }

  // read_line() returns the next line with its "\n", which only the last one may lack; "" at the
  // end. Throws limit_overrun.
  std::string read_line(deadline until = {}) {
    detail::turn reading(state_->reading, until, "vervet: read");
    std::size_t length = find("\n", state_->limit, until);
    return state_->in.take(length != 0 ? length : state_->in.size());
  }

  // True if the peer has ended, a read has noticed it, and all was read. Never blocks.
  bool eof() const {
    detail::turn reading(state_->reading);
    return reading && state_->ended && state_->in.size() == 0;
  }

  // ---- Writing

  // write() adds to what is to be sent. Waits only while there are 64 KiB or more of it: a slow
  // peer slows its writer down (asyncio's write() never waits, and memory grows without drain()).
  void write(const_buffer from, deadline until = {}) {
    detail::turn writing(state_->writing, until, "vervet: write");
    std::string& out = state_->out;
    if (out.size() - state_->sent + from.size() >= high_water) {
      send(*state_, until);
      if (from.size() >= high_water) {
        while (from.size() != 0) from = from.after(state_->transport.write_some(from, until));
        return;
      }
    }
    // What has left makes room, though the rest may never have been down to nothing.
    if (state_->sent >= high_water) out.erase(0, std::exchange(state_->sent, 0));
    out.append(static_cast<const char*>(from.data()), from.size());
  }
  // Makes a stream a byte_stream itself: all of `from`.
  std::size_t write_some(const_buffer from, deadline until = {}) {
    write(from, until);
    return from.size();
  }

  // flush() waits until the kernel has taken all that was written; drain() is asyncio's name for
  // it.
  void flush(deadline until = {}) {
    detail::turn writing(state_->writing, until, "vervet: flush");
    send(*state_, until);
  }
  void drain(deadline until = {}) { flush(until); }

  // Flushes and ends this side: the peer reads the end, and may still answer.
  void write_eof(deadline until = {}) requires requires(Transport& t) { t.shutdown_send(until); }
  {
    detail::turn writing(state_->writing, until, "vervet: flush");
    send(*state_, until);
    state_->transport.shutdown_send(until);
  }

  // Flushes, and closes the transport even if that throws.
  void close(deadline until = {}) {
    struct closing {
      state& of;
      ~closing() { of.transport.close(); }
    } at_the_end{*state_};
    flush(until);
  }

  // The socket or whatever it is. Bytes that were read ahead are not in it any more.
  std::remove_reference_t<Transport>& transport() noexcept { return state_->transport; }

 private:
  static constexpr std::size_t high_water = std::size_t{1} << 16;

  struct state {
    state(Transport&& t, std::size_t l) : transport(std::forward<Transport>(t)), limit(l) {}
    Transport transport;
    std::size_t limit;
    detail::stream_input in;
    std::string out;
    std::size_t sent = 0;  // of `out`
    bool ended = false;
    mutable semaphore reading{1};  // guards `in`, `ended`
    semaphore writing{1};          // guards `out`, `sent`
  };

  // Waits for more. False at the end.
  bool fill(deadline until) {
    // What does not leave at once goes on leaving while we wait: the peer may need it to answer.
    std::optional<rest_sender> sending;
    if (!send_what_goes()) sending.emplace(*this);
    std::size_t n = state_->transport.read_some(state_->in.room(), until);
    state_->in.filled(n);
    if (n == 0) state_->ended = true;
    return n != 0;
  }

  void await(std::size_t n, deadline until) {
    auto& in = state_->in;
    while (in.size() < n)
      if (!fill(until)) throw incomplete_read(in.take(in.size()));
  }

  // The length up to the delimiter's end; 0 if the stream ends without.
  std::size_t find(std::string_view delimiter, std::size_t limit, deadline until) {
    if (delimiter.empty()) throw std::invalid_argument("vervet: read_until: empty delimiter");
    std::size_t searched = 0;  // it does not begin before
    for (;;) {
      std::string_view text = state_->in.view();
      std::size_t at = text.substr(searched).find(delimiter);
      if (at != text.npos) {
        std::size_t length = searched + at + delimiter.size();
        if (length > limit) throw limit_overrun();
        return length;
      }
      if (text.size() >= limit) throw limit_overrun();
      searched = text.size() - std::min(text.size(), delimiter.size() - 1);
      if (!fill(until)) return 0;
    }
  }

  // REQUIRES: the writer's turn.
  static void send(state& of, deadline until) {
    while (of.sent < of.out.size()) {
      const_buffer rest(of.out.data() + of.sent, of.out.size() - of.sent);
      of.sent += of.transport.write_some(rest, until);
    }
    of.out.clear();
    of.sent = 0;
    if constexpr (requires { of.transport.flush(until); }) of.transport.flush(until);
  }

  // Without waiting. False if there is a rest; if somebody else is sending, it is his. Whoever
  // writes next learns of errors.
  bool send_what_goes() noexcept {
    detail::turn writing(state_->writing);
    if (!writing) return true;
    detail::uncut shield;
    try {
      send(*state_, std::chrono::seconds(0));
    } catch (const timed_out&) {
      return false;
    } catch (...) {
    }
    return true;
  }

  // A fiber that flushes while this lives.
  class rest_sender {
   public:
    explicit rest_sender(stream& of)
        : fiber_(spawn({.name = "flush"}, [s = of.state_.get()] {
            detail::turn writing(s->writing, {}, "vervet: flush");
            try {
              send(*s, {});
            } catch (const std::system_error&) {
            }
          })) {}
    ~rest_sender() {
      detail::uncut shield;
      fiber_.kill();
    }
    rest_sender(const rest_sender&) = delete;
    rest_sender& operator=(const rest_sender&) = delete;

   private:
    fiber<> fiber_;
  };

  std::unique_ptr<state> state_;
};

template <typename Transport>
stream(Transport&&) -> stream<Transport>;
template <typename Transport>
stream(Transport&&, std::size_t) -> stream<Transport>;

}  // namespace vervet
