// Serving connections, each in a fiber of its own: stream_server.
#pragma once

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <exception>
#include <functional>
#include <limits>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>

#include <vervet/abi.h>
#include <vervet/detail/guard_lock.hpp>
#include <vervet/detail/uncut.hpp>
#include <vervet/detail/wait_queue.hpp>
#include <vervet/fiber.hpp>
#include <vervet/semaphore.hpp>
#include <vervet/time.hpp>

namespace vervet {

// How to serve.
struct stream_server_options {
  std::size_t size = 0;                  // so many connections at a time; 0: any number
  std::size_t stack_size = 0;            // of each handler's fiber, see spawn_options
  std::string_view name = "connection";  // of each handler's fiber
};

// A stream_server accepts connections and calls handler(socket&) for each, in a fiber of its own;
// inside run() they spread over the workers. The socket is closed when the handler returns or
// throws.
//
//     stream_server server(tcp_listener(address::any(7)), [](tcp_socket& client) { … });
//     server.serve_forever();
//
// With as many connections as `size`, it stops accepting until one ends: the kernel's backlog is
// the queue. Where descriptors or memory are short it tries again after 10 ms, 20 ms, up to a
// second. An exception that leaves a handler ends that connection alone, and one line on stderr
// tells of it. Listener: tcp_listener, unix_listener, or whatever has accept(), close() and a
// socket_type.
//
// Thread safety: every call from any thread or fiber but the handlers, which may call close().
// Without run(), connections are served by the thread that calls start(), while it waits.
// Lifetime: the destructor is stop(0s). Neither copyable nor movable.
template <typename Listener>
class stream_server {
 public:
  using socket_type = typename Listener::socket_type;

  // Takes a listener that listens already; `handler` is called by several fibers at a time. Accepts
  // nothing before start(). Throws std::bad_alloc.
  template <std::invocable<socket_type&> Handler>
  stream_server(Listener listener, Handler handler, stream_server_options options = {})
      : listener_(std::move(listener)),
        handler_(std::move(handler)),
        options_(options),
        room_(options.size != 0 ? static_cast<std::ptrdiff_t>(options.size) : any_number) {}
  stream_server(const stream_server&) = delete;
  stream_server& operator=(const stream_server&) = delete;
  ~stream_server() {
    detail::uncut shield;
    try {
      stop(std::chrono::seconds(0));
    } catch (const std::system_error& error) {
      // If the thread that served has ended, its fibers never run again: they do not miss this.
      if (error.code() != std::errc::owner_dead) std::terminate();
    }
  }

  // start() has a fiber begin to accept. Does not wait. Throws std::logic_error if it was started
  // or closed before.
  void start() {
    std::lock_guard guard(lock_);
    if (acceptor_ || closed_)
      throw std::logic_error("vervet: stream_server: started twice, or after close()");
    begin();
  }

  // serve_forever() starts it if need be, and waits until stop() or close() have ended it and all
  // handlers. Rethrows what accept() has failed with. Throws cut_short: then it serves on.
  void serve_forever() {
    fiber<> acceptor;
    {
      std::lock_guard guard(lock_);
      if (!acceptor_ && !closed_) begin();
      acceptor = acceptor_;
      error_is_told_ = true;
    }
    if (acceptor) acceptor.join();
    if (error_) std::rethrow_exception(error_);
    wait_until_idle({});
  }

  // close() stops accepting and has the listener closed; connections go on. Does not wait.
  void close() {
    std::lock_guard guard(lock_);
    closed_ = true;
    if (acceptor_) acceptor_.kill(nullptr, false);
  }

  // stop() stops accepting, waits until all handlers have ended or `until`, then kills those that
  // are left, and waits for them to end, which they do at their next wait. Returns whether all have
  // ended by themselves.
  // Throws cut_short, which leaves the handlers as they are, and would_block_forever.
  bool stop(deadline until = {}) {
    close();
    if (acceptor_) acceptor_.join();  // which is what it is, now that it is closed
    listener_.close();
    if (wait_until_idle(until)) return true;
    {
      std::lock_guard guard(lock_);
      killed_ = true;
      for (connection* c = first_; c != nullptr; c = c->next) vervet_kill(c->fiber);
    }
    wait_until_idle({});
    return false;
  }

  // How many connections are served at the moment.
  std::size_t connections() const {
    std::lock_guard guard(lock_);
    return served_;
  }

  // For its local_address(). Do not accept from it. It is closed when accepting has ended.
  const Listener& listener() const noexcept { return listener_; }

 private:
  static constexpr std::ptrdiff_t any_number = std::numeric_limits<std::ptrdiff_t>::max();

  // A permit to serve one connection.
  class place {
   public:
    explicit place(stream_server& of) : of_(&of) { of.room_.acquire(); }
    place(place&& other) noexcept
        : of_(std::exchange(other.of_, nullptr)), counted_(other.counted_) {}
    place& operator=(place&&) = delete;
    ~place() {
      if (of_ == nullptr) return;
      of_->room_.release();
      if (counted_) of_->leave();
    }
    void count() {
      std::lock_guard guard(of_->lock_);
      ++of_->served_;
      counted_ = true;
    }
    stream_server& server() const noexcept { return *of_; }

   private:
    stream_server* of_;
    bool counted_ = false;
  };

  // A handler's fiber, on its stack.
  struct connection {
    explicit connection(stream_server& s) : server(s) {
      std::lock_guard guard(server.lock_);
      next = server.first_;
      if (next != nullptr) next->previous = this;
      server.first_ = this;
      if (server.killed_) vervet_kill(fiber);
    }
    ~connection() {
      std::lock_guard guard(server.lock_);
      (previous != nullptr ? previous->next : server.first_) = next;
      if (next != nullptr) next->previous = previous;
    }
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;

    stream_server& server;
    vervet_fiber* fiber = vervet_current();
    connection* next = nullptr;
    connection* previous = nullptr;
  };

  struct serve {
    place at;            // given back
    socket_type socket;  // after this was closed

    void operator()() {
      connection own(at.server());
      at.server().handler_(socket);
    }
  };

  // REQUIRES: lock_.
  void begin() {
    acceptor_ = spawn({.name = "accept"}, [this] {
      try {
        accept_each();
      } catch (const std::exception&) {
        std::lock_guard guard(lock_);
        if (!error_is_told_) throw;
        error_ = std::current_exception();
      }
    });
  }

  void accept_each() {
    struct closing {
      Listener& of;
      ~closing() { of.close(); }
    } at_the_end{listener_};
    using std::chrono::milliseconds;
    constexpr milliseconds shortest(10), longest(1000);
    for (milliseconds pause = shortest;;) {
      place next(*this);
      try {
        socket_type client = listener_.accept();
        next.count();
        spawn({.stack_size = options_.stack_size, .name = options_.name},
              serve{std::move(next), std::move(client)});
        pause = shortest;
        continue;
      } catch (const std::system_error& error) {
        if (!is_shortage(error.code())) throw;
      } catch (const std::bad_alloc&) {
      }
      sleep_for(pause);
      pause = std::min(2 * pause, longest);
    }
  }

  static bool is_shortage(const std::error_code& error) {
    for (int each : {EMFILE, ENFILE, ENOBUFS, ENOMEM, EAGAIN})
      if (error == std::error_code(each, std::generic_category())) return true;
    return false;
  }

  void leave() noexcept {
    detail::wakes woken;
    std::lock_guard guard(lock_);
    if (--served_ == 0) woken.add_all(idle_);
  }

  bool wait_until_idle(deadline until) {
    std::unique_lock guard(lock_);
    return served_ == 0 || idle_.wait(guard, until.monotonic());
  }

  Listener listener_;
  std::function<void(socket_type&)> handler_;
  stream_server_options options_;
  semaphore room_;
  mutable detail::guard_lock lock_;  // guards what follows
  bool closed_ = false;
  bool killed_ = false;
  bool error_is_told_ = false;
  std::exception_ptr error_;  // what accepting has ended with; read when that has ended
  std::size_t served_ = 0;
  connection* first_ = nullptr;
  detail::wait_queue idle_;
  fiber<> acceptor_;
};

}  // namespace vervet
