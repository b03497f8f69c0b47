// What tasks can await: time, descriptors, and all that fibers can wait for. Included by task.hpp.
//
//     co_await after(10ms);              // a deadline: a duration, a time point
//     co_await done;                     // event, latch: until it is set
//     int value = co_await answer;       // async_result, fiber, running: or its exception
//     bool in_time = co_await within(done, 10ms);
//     co_await acquire(permits);         // semaphore; try_acquire(), again and again
//     co_await readable(fd, 10ms);
//     std::size_t size = co_await async_read(fd, buffer);
//
// All of them: in a task (task.hpp) alone; the task goes on on its own hub, whoever and whichever
// thread makes the object ready. Nothing is allocated. What they name must live until they return.
// They throw fiber_exit when the task is cancelled, and then have taken nothing. No deadlock is
// told to a task; a fiber that waits for it is told.
#pragma once

#include <cerrno>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <ranges>
#include <span>
#include <type_traits>
#include <utility>

#include <sys/socket.h>

#include <vervet/abi.h>
#include <vervet/after.hpp>
#include <vervet/detail/coroutine.hpp>
#include <vervet/detail/descriptor.hpp>
#include <vervet/detail/observation.hpp>
#include <vervet/detail/system_call.hpp>
#include <vervet/detail/wait_queue.hpp>
#include <vervet/error.hpp>
#include <vervet/fiber.hpp>
#include <vervet/time.hpp>

namespace vervet {
namespace detail {

// A deadline around something else's wait; or none, at no cost.
struct unlimited {
  explicit unlimited(deadline) {}
  int start(suspension&, void (*)(suspension&) noexcept) noexcept { return 0; }
  void stop() noexcept {}
};
class limited : vervet_watcher {
 public:
  explicit limited(vervet::deadline until) : vervet_watcher{} {
    fd = -1;
    deadline = until.monotonic();
    callback = [](vervet_watcher* raw, unsigned) {
      auto& self = *static_cast<limited*>(raw);
      self.started_ = false;
      self.expired_(*self.of_);
    };
  }
  limited(const limited&) = delete;
  limited& operator=(const limited&) = delete;

  // Once.
  int start(suspension& of, void (*expired)(suspension&) noexcept) noexcept {
    if (deadline == VERVET_NEVER || of_ != nullptr) return 0;
    of_ = &of;
    expired_ = expired;
    int error = vervet_watcher_start(this);
    started_ = error == 0;
    return error;
  }
  void stop() noexcept {
    if (started_) vervet_watcher_stop(this);
    started_ = false;
  }

 private:
  suspension* of_ = nullptr;
  void (*expired_)(suspension&) noexcept = nullptr;
  bool started_ = false;
};

// Awaits an observable, once or until `take` says that there was something to take.
template <typename T, typename Limit>
class observing : public suspension {
 public:
  observing(T& object, deadline until) : object_(object), limit_(until) {}

 protected:
  // Takes what there is, if `observe(true)`. False if there is nothing.
  virtual bool take() { return false; }

  bool observe(bool tries) {
    for (;;) {
      if (tries && take()) return false;
      std::construct_at(&link_, *this);
      if (object_.observe(waiter_)) break;
      if (!tries) return false;
    }
    waits_ = true;
    int error =
        limit_.start(*this, [](suspension& s) noexcept { static_cast<observing&>(s).expired(); });
    if (error == 0 || !claim()) return true;
    withdraw();
    throw_error(error, "vervet: co_await");
  }

  bool claim() noexcept final { return waits_ && link_.claim(); }
  void withdraw() noexcept final { object_.unobserve(waiter_); }
  void settle() noexcept final { limit_.stop(); }

  T& object_;

 private:
  struct own_selection : selection {
    explicit own_selection(observing& o) : selection(notify), of(&o) {}
    observing* of;
  };
  static void notify(selection& s) noexcept {
    observing& self = *static_cast<own_selection&>(s).of;
    self.root().home().push(self);
  }

  own_selection link_{*this};
  waiter waiter_{&link_};
  [[no_unique_address]] Limit limit_;
  bool waits_ = false;
};

// While one lives, the exception of the fiber that is awaited has somebody who will throw it.
template <typename T>
struct interest {
  explicit interest(T&) {}
};
template <typename T>
struct interest<fiber<T>> {
  collecting exception;
  explicit interest(const fiber<T>& f) : exception(*fiber_access::state(f)) {}
};
template <typename T>
struct interest<const fiber<T>> : interest<fiber<T>> {
  using interest<fiber<T>>::interest;
};

// Of what is ready once and for all, or until it is cleared.
template <typename T>
concept awaitable_object = observable<T> && !requires(T & x) {
  x.try_acquire();
};

// `X` as it was given: what is given up has its value moved out.
template <typename X>
class getting final : public observing<std::remove_reference_t<X>, unlimited> {
  using T = std::remove_reference_t<X>;

 public:
  explicit getting(T& object) : observing<T, unlimited>(object, {}), interest_(object) {}

  decltype(auto) await_resume() {
    this->resumed();
    if constexpr (requires(X && x) { std::forward<X>(x).get(); })
      return std::forward<X>(this->object_).get();
  }

 private:
  bool begin() override { return this->observe(false); }

  [[no_unique_address]] interest<T> interest_;
};

template <typename T>
class waiting_within final : public observing<T, limited> {
 public:
  using observing<T, limited>::observing;
  bool await_resume() { return this->resumed(); }

 private:
  bool begin() override { return this->observe(false); }
};

template <typename T>
concept acquirable = observable<T> && requires(T& x) {
  { x.try_acquire() } -> std::convertible_to<bool>;
};

template <acquirable T, typename Limit>
class acquiring final : public observing<T, Limit> {
 public:
  using observing<T, Limit>::observing;
  bool await_resume() { return this->resumed(); }

 private:
  bool begin() override { return this->observe(true); }
  bool begin_again() override { return this->observe(true); }
  bool take() override { return this->object_.try_acquire(); }
};

// Awaits a descriptor, a time, or both.
class watching_once : public suspension, private vervet_watcher {
 protected:
  watching_once(int descriptor, unsigned wanted, vervet::deadline until) : vervet_watcher{} {
    fd = descriptor;
    events = wanted;
    deadline = until.monotonic();
    callback = [](vervet_watcher* raw, unsigned happened) {
      auto& self = *static_cast<watching_once*>(raw);
      if (self.fd >= 0 && happened == 0)
        self.expired();
      else
        arrived(self);
    };
  }

  // 0, or why it cannot be watched.
  int watch() noexcept { return vervet_watcher_start(this); }
  // vervet_io_start().
  int start_known(ssize_t (*attempt)(void*), void* argument, std::size_t size,
                  vervet_io_result& result) noexcept {
    return vervet_io_start(this, attempt, argument, size, &result);
  }
  void withdraw() noexcept final { vervet_watcher_stop(this); }
  int descriptor() const noexcept { return fd; }
};

class sleeping final : public watching_once {
 public:
  explicit sleeping(vervet::deadline until) : watching_once(-1, 0, until) {}
  void await_resume() { resumed(); }

 private:
  bool begin() override {
    if (int error = watch()) throw_error(error, "vervet: after");
    return true;
  }
};

inline auto operator co_await(const after_case<do_nothing>& time) { return sleeping(time.until); }

class becoming_ready final : public watching_once {
 public:
  becoming_ready(int descriptor, unsigned wanted, vervet::deadline until)
      : watching_once(descriptor, wanted, until) {}
  bool await_resume() { return resumed(); }

 private:
  bool begin() override {
    if (descriptor() < 0) throw_error(EBADF, "vervet: readable, writable");
    int error = watch();
    if (error == EPERM) return false;  // always ready
    if (error != 0) throw_error(error, "vervet: readable, writable");
    return true;
  }
};

// A system call that is tried until it does not fail by EAGAIN. What is known of our own
// descriptors' readiness spares tries.
class transferring : public watching_once {
 public:
  std::size_t await_resume() {
    if (!resumed()) throw timed_out("vervet: async_read, async_write");
    return done_;
  }

 protected:
  transferring(int descriptor, bool own, unsigned wanted, vervet::deadline until)
      : watching_once(descriptor, wanted, until), own_(own) {}

  // The system call on what is left to do, and how much that is.
  virtual ssize_t attempt() = 0;
  virtual std::size_t left() const noexcept = 0;
  // It has moved so much. Returns whether there is more to do.
  virtual bool moved(std::size_t size) = 0;

  std::size_t done_ = 0;

 private:
  // 0 and what a try has come to; EINPROGRESS: arrived() will be called.
  int start(vervet_io_result& result) {
    if (own_)
      return start_known([](void* self) { return of(self)->attempt(); }, this, left(), result);
    result.value = attempt();
    result.error = errno;
    if (result.value >= 0 || (result.error != EAGAIN && result.error != EWOULDBLOCK)) return 0;
    int error = watch();
    return error == 0 ? EINPROGRESS : error;
  }
  static transferring* of(void* self) noexcept { return static_cast<transferring*>(self); }

  bool begin() final {
    do {
      vervet_io_result result{};
      int error = start(result);
      if (error == EINPROGRESS) return true;
      if (error == 0 && result.value < 0) error = result.error;
      if (error == EINTR) continue;
      if (error != 0) throw_error(error, "vervet: async_read, async_write");
      if (!moved(static_cast<std::size_t>(result.value))) return false;
    } while (true);
  }
  bool begin_again() final { return begin(); }

  bool own_;
};

class reading final : public transferring {
 public:
  reading(int descriptor, bool own, std::span<std::byte> into, vervet::deadline until)
      : transferring(descriptor, own, VERVET_READABLE, until), into_(into) {}

 private:
  ssize_t attempt() override { return detail::read(descriptor(), into_.data(), into_.size()); }
  std::size_t left() const noexcept override { return into_.size(); }
  bool moved(std::size_t size) override {
    done_ = size;
    return false;
  }

  std::span<std::byte> into_;
};

class writing final : public transferring {
 public:
  writing(int descriptor, bool own, std::span<const std::byte> from, vervet::deadline until)
      : transferring(descriptor, own, VERVET_WRITABLE, until), from_(from) {}

 private:
  ssize_t attempt() override {
    std::span<const std::byte> rest = from_.subspan(done_);
    // send() of nothing would be an empty message.
    if (rest.empty()) return 0;
    if (is_socket_) {
      ssize_t sent = detail::send(descriptor(), rest.data(), rest.size(), MSG_NOSIGNAL);
      if (sent >= 0 || errno != ENOTSOCK) return sent;
      is_socket_ = false;
    }
    return detail::write(descriptor(), rest.data(), rest.size());
  }
  std::size_t left() const noexcept override { return from_.size() - done_; }
  bool moved(std::size_t size) override {
    done_ += size;
    return done_ < from_.size();
  }

  std::span<const std::byte> from_;
  bool is_socket_ = true;
};

// A number, or what has one: sockets, pipes.
inline int number_of(int fd) { return fd; }
template <typename D>
requires requires(const D& d) {
  { d.native_handle() } -> std::convertible_to<int>;
}
int number_of(const D& d) { return d.native_handle(); }

// Whether it is one that this library has adopted.
template <typename D>
inline constexpr bool is_own = std::derived_from<D, class descriptor>;

template <typename D>
concept descriptor_like = requires(const D& d) {
  number_of(d);
};

}  // namespace detail

// co_await object: event, latch, async_result, fiber, running, and whatever else wait() takes. Its
// value is what object.get() returns or throws; moved out if the object is given up, as in
// co_await spawn(f).
template <typename X>
requires detail::awaitable_object<std::remove_reference_t<X>>
auto operator co_await(X&& object) { return detail::getting<X&&>(object); }

// co_await within(object, until): whether it has become ready by then. Never throws its exception.
template <detail::awaitable_object T>
[[nodiscard]] auto within(T& object, deadline until) {
  return detail::waiting_within<T>(object, until);
}

// co_await acquire(permits): takes one. Tasks come after the fibers that wait for one, and no order
// is kept among them. With a deadline: whether it has got one; false if there was none in time.
template <detail::acquirable T>
[[nodiscard]] auto acquire(T& permits) {
  return detail::acquiring<T, detail::unlimited>(permits, deadline());
}
template <detail::acquirable T>
[[nodiscard]] auto acquire(T& permits, deadline until) {
  return detail::acquiring<T, detail::limited>(permits, until);
}

// co_await readable(fd, until): whether a read (an accept) would not block by then; it may after
// all, if somebody else reads. True for what failed, was hung up or closed, too.
// Throws std::system_error: bad_file_descriptor.
[[nodiscard]] auto readable(const detail::descriptor_like auto& fd, deadline until = {}) {
  return detail::becoming_ready(detail::number_of(fd), VERVET_READABLE, until);
}
[[nodiscard]] auto writable(const detail::descriptor_like auto& fd, deadline until = {}) {
  return detail::becoming_ready(detail::number_of(fd), VERVET_WRITABLE, until);
}

// co_await async_read(fd, buffer): read() once there is something; returns how many bytes, 0 at the
// end. `buffer`: contiguous, of trivially copyable elements. The descriptor must be non-blocking.
// Throws timed_out; std::system_error with read()'s error.
template <detail::descriptor_like D, std::ranges::contiguous_range Buffer>
[[nodiscard]] auto async_read(const D& fd, Buffer&& buffer, deadline until = {}) {
  return detail::reading(detail::number_of(fd), detail::is_own<D>,
                         std::as_writable_bytes(std::span(buffer)), until);
}

// co_await async_write(fd, bytes): writes all of it; returns how many bytes that were. No SIGPIPE
// from sockets. `bytes` as above; a string literal would go with its null: take "…"sv.
// Throws as async_read(); a part may have been written then.
template <detail::descriptor_like D, std::ranges::contiguous_range Bytes>
[[nodiscard]] auto async_write(const D& fd, const Bytes& bytes, deadline until = {}) {
  return detail::writing(detail::number_of(fd), detail::is_own<D>, std::as_bytes(std::span(bytes)),
                         until);
}

}  // namespace vervet
