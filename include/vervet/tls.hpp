// TLS over any byte_stream, by OpenSSL 1.1.1 or later: tls::stream, tls::serve. Link vervet::tls.
#pragma once

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <vervet/buffer.hpp>
#include <vervet/detail/guard_lock.hpp>
#include <vervet/detail/turn.hpp>
#include <vervet/detail/uncut.hpp>
#include <vervet/semaphore.hpp>
#include <vervet/time.hpp>
#include <vervet/tls_context.hpp>

namespace vervet::tls {

// A stream encrypts what goes over a byte_stream, and is one itself.
//
//     tls::stream peer(context, tcp_socket::connect(where), "example.org");   // owns the socket
//     tls::stream client(context, socket);                                    // refers to it
//
// The first call does the handshake, unless handshake() did. Reading, writing and waiting are as of
// stream_socket: one fiber may read while another writes, and several of a kind take turns. The
// cryptography itself runs on the caller's thread.
// A connection that ends without TLS's own farewell was cut off by somebody: an error, not the end
// of the stream.
// Throws std::system_error: tls::category() (bad certificate, protocol), what the transport throws;
// timed_out, cut_short: then it can be used on.
// Movable, not copyable. The destructor says farewell as far as that needs no waiting.
template <typename Transport>
requires byte_stream<Transport>
class stream {
 public:
  // `peer_name`: of a client, whom the certificate must name (a name or an IP address) and the
  // server is told (SNI); "" checks no name. Throws std::system_error.
  stream(const context& how, Transport&& transport, const std::string& peer_name = {})
      : state_(std::make_unique<state>(how, std::forward<Transport>(transport), peer_name)) {}
  stream(stream&&) noexcept = default;
  stream& operator=(stream&& other) noexcept {
    say_farewell();
    state_ = std::move(other.state_);
    return *this;
  }
  ~stream() { say_farewell(); }

  // Agrees on keys and checks certificates.
  void handshake(deadline until = {}) {
    if (is_agreed()) return;
    operate(until, [](SSL* ssl) { return SSL_do_handshake(ssl); });
    // Who writes already sends what is ours as well: a reader does not wait for that one, whose
    // peer may wait for this reader.
    do {
      vervet::detail::turn writing(state_->writing);
      if (!writing) return;
      send(until);
    } while (has_output());
  }

  // 0 when the peer has said farewell, or if `to` is empty.
  std::size_t read_some(buffer to, deadline until = {}) {
    if (to.size() == 0) return 0;
    handshake(until);
    return operate(until, [&](SSL* ssl) { return SSL_read(ssl, to.data(), clamp(to.size())); });
  }

  // write_some() takes up to a record of 16 KiB, when the one before has left. A part of it may not
  // have left yet when it returns: flush() waits for that. If it throws, nothing is taken.
  std::size_t write_some(const_buffer from, deadline until = {}) {
    if (from.size() == 0) return 0;
    handshake(until);
    flush(until);
    std::size_t n =
        operate(until, [&](SSL* ssl) { return SSL_write(ssl, from.data(), clamp(from.size())); });
    if (n == 0)
      throw std::system_error(std::make_error_code(std::errc::broken_pipe), "vervet: tls");
    return n;
  }
  // All of it, and flush(). If it throws, an unknown part was taken.
  void write_all(const_buffer from, deadline until = {}) {
    while (from.size() != 0) from = from.after(write_some(from, until));
    flush(until);
  }

  // Waits until the transport has taken all that was written.
  void flush(deadline until = {}) {
    do {
      vervet::detail::turn writing(state_->writing, until, "vervet: tls: write");
      send(until);
    } while (has_output());
  }

  // Says farewell: the peer reads the end; it may still answer.
  void shutdown_send(deadline until = {}) {
    {
      std::lock_guard guard(state_->lock);
      if (!may_say_farewell()) return;
      SSL_shutdown(state_->ssl.get());
    }
    flush(until);
  }

  // Farewell as far as that needs no waiting, and the transport's close().
  void close() noexcept {
    say_farewell();
    state_->transport.close();
  }

  // What lies below: for its address or options; its bytes are TLS's.
  std::remove_reference_t<Transport>& transport() noexcept { return state_->transport; }
  // For what is not offered here, while no call is in progress.
  SSL* native_handle() noexcept { return state_->ssl.get(); }

 private:
  static constexpr std::size_t chunk = 16 * 1024 + 512;  // a record fits
  static constexpr std::size_t plain_chunk = 16 * 1024;

  struct free_ssl {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };

  struct state {
    state(const context& c, Transport&& t, const std::string& peer_name)
        : how(c), transport(std::forward<Transport>(t)), ssl(SSL_new(c.native_handle())) {
      in = BIO_new(BIO_s_mem());
      out = BIO_new(BIO_s_mem());
      if (ssl == nullptr || in == nullptr || out == nullptr) {
        BIO_free(in);
        BIO_free(out);
        throw_last("vervet: tls");
      }
      BIO_set_mem_eof_return(in, -1);  // empty: try again
      SSL_set_bio(ssl.get(), in, out);
      SSL_set_mode(ssl.get(), SSL_MODE_RELEASE_BUFFERS);
      how.prepare(ssl.get(), peer_name);
    }

    context how;  // the callbacks of `ssl` look into it
    Transport transport;
    std::unique_ptr<SSL, free_ssl> ssl;
    BIO* in;                          // what has come; both belong to `ssl`
    BIO* out;                         // what is to go
    vervet::detail::guard_lock lock;  // guards the above, `fed`, `broken`
    unsigned fed = 0;                 // how often something came
    bool broken = false;
    semaphore reading{1};  // who reads from the transport
    std::unique_ptr<char[]> arrived;
    semaphore writing{1};  // who writes to it; guards `leaving`
    std::string leaving;
    std::size_t left = 0;  // of `leaving`
  };

  static int clamp(std::size_t n) { return static_cast<int>(std::min(n, plain_chunk)); }

  // Until `operation` has a result; 0 at the peer's farewell.
  template <typename Operation>
  std::size_t operate(deadline until, Operation operation) {
    for (;;) {
      int result, reason;
      unsigned fed;
      std::error_code error;
      bool output;
      {
        std::lock_guard guard(state_->lock);
        ERR_clear_error();
        result = operation(state_->ssl.get());
        reason = SSL_get_error(state_->ssl.get(), result);
        if (reason == SSL_ERROR_SSL || reason == SSL_ERROR_SYSCALL) {
          error = last_error();
          state_->broken = true;
        }
        fed = state_->fed;
        output = BIO_pending(state_->out) != 0;
      }
      // A reader does not wait for a writer whom a slow peer holds up; alerts do not wait either.
      if (output && (result > 0 || error || is_agreed()))
        flush_what_goes();
      else if (output)
        flush(until);
      if (error) throw std::system_error(error, "vervet: tls");
      if (result > 0) return static_cast<std::size_t>(result);
      if (reason == SSL_ERROR_ZERO_RETURN) return 0;
      feed(fed, until);
    }
  }

  // Waits for more from the transport, unless something came since `fed`.
  void feed(unsigned fed, deadline until) {
    vervet::detail::turn reading(state_->reading, until, "vervet: tls: read");
    {
      std::lock_guard guard(state_->lock);
      if (state_->fed != fed) return;
    }
    if (!state_->arrived) state_->arrived = std::make_unique_for_overwrite<char[]>(chunk);
    std::size_t n = state_->transport.read_some({state_->arrived.get(), chunk}, until);
    std::lock_guard guard(state_->lock);
    ++state_->fed;
    if (n == 0)
      BIO_set_mem_eof_return(state_->in, 0);
    else
      BIO_write(state_->in, state_->arrived.get(), static_cast<int>(n));
  }

  bool has_output() {
    std::lock_guard guard(state_->lock);
    return BIO_pending(state_->out) != 0;
  }

  // REQUIRES: the writer's turn, in which records leave in the order they were made.
  void send(deadline until) {
    for (;;) {
      while (state_->left < state_->leaving.size()) {
        const_buffer rest(state_->leaving.data() + state_->left,
                          state_->leaving.size() - state_->left);
        state_->left += state_->transport.write_some(rest, until);
      }
      state_->leaving.clear();
      state_->left = 0;
      std::lock_guard guard(state_->lock);
      std::size_t pending = BIO_ctrl_pending(state_->out);
      if (pending == 0) return;
      state_->leaving.resize(pending);
      BIO_read(state_->out, state_->leaving.data(), static_cast<int>(pending));
    }
  }

  // Sends what the transport takes at once. If somebody else is sending, that one looks for more
  // after giving up its turn. Who sends next learns of errors.
  void flush_what_goes() noexcept {
    vervet::detail::uncut shield;
    try {
      do {
        vervet::detail::turn writing(state_->writing);
        if (!writing) return;
        send(std::chrono::seconds(0));
      } while (has_output());
    } catch (...) {
    }
  }

  bool is_agreed() {
    std::lock_guard guard(state_->lock);
    return SSL_is_init_finished(state_->ssl.get()) != 0;
  }

  bool may_say_farewell() {
    SSL* ssl = state_->ssl.get();
    return !state_->broken && SSL_is_init_finished(ssl) != 0 &&
           (SSL_get_shutdown(ssl) & SSL_SENT_SHUTDOWN) == 0;
  }

  void say_farewell() noexcept {
    if (state_ == nullptr) return;
    {
      std::lock_guard guard(state_->lock);
      if (!may_say_farewell()) return;
      SSL_shutdown(state_->ssl.get());
    }
    flush_what_goes();
  }

  std::unique_ptr<state> state_;
};

template <typename Transport>
stream(const context&, Transport&&) -> stream<Transport>;
template <typename Transport>
stream(const context&, Transport&&, const std::string&) -> stream<Transport>;

// serve() makes a handler for stream_server: the handshake happens in the connection's own fiber,
// and must be done within `handshake_time`; then handler(tls::stream<socket&>&) is called.
//
//     stream_server server(tcp_listener(address::any(443)), tls::serve(context, handler));
template <typename Handler>
auto serve(context how, Handler handler,
           std::chrono::nanoseconds handshake_time = std::chrono::seconds(10)) {
  return [how = std::move(how), handler = std::move(handler), handshake_time](auto& socket) {
    stream client(how, socket);
    client.handshake(handshake_time);
    handler(client);
  };
}

}  // namespace vervet::tls
