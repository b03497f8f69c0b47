// Watchers: callbacks for code written around events, as gevent's hub.loop and Python's selectors
// have them. Included by hub.hpp.
//
//     vervet::io_watcher reader(fd, vervet::io_watcher::readable, [&](unsigned) { take(fd); });
//     vervet::timer tick(0ms, [&] { std::puts("tick"); }, 1s);
//
// A watcher is on from its construction until stop() or its end. It calls back on the hub of the
// thread that made it, while that thread waits, in a fiber: the callback may wait. One watcher's
// calls never overlap: the next one begins after the last has returned. What a callback throws is
// reported on stderr, and the watcher stays on.
//
// All of them: not copyable, not movable; used and destroyed on their hub's thread alone, else
// std::logic_error (out of the destructor of one that is on: std::terminate); off before that
// thread ends. Inside the own callback too they may be stopped and destroyed. No call blocks.
#pragma once

#include <atomic>
#include <cerrno>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vervet/abi.h>
#include <vervet/detail/callback.hpp>
#include <vervet/error.hpp>
#include <vervet/outcome.hpp>
#include <vervet/time.hpp>

namespace vervet {
namespace detail {

// What lies behind a watcher: it outlives it while the callback runs. On its hub's thread.
class watching : public vervet_watcher, public std::enable_shared_from_this<watching> {
 public:
  watching(const watching&) = delete;
  watching& operator=(const watching&) = delete;
  virtual ~watching() = default;

  // No effect if it is on. Throws std::system_error.
  void start() {
    wanted_ = true;
    if (armed_ || calling_) return;
    if (int error = arm()) {
      wanted_ = false;
      throw_error(error, "vervet: watcher");
    }
  }
  void stop() noexcept {
    wanted_ = false;
    if (armed_) vervet_watcher_stop(this);
    armed_ = false;
  }
  bool is_active() const noexcept { return wanted_; }
  // While it is off: another deadline.
  void move(std::int64_t at) noexcept {
    deadline = at;
    moved_ = true;
  }

 protected:
  watching() : vervet_watcher{} {
    register_exceptions();
    callback = fire;
    fd = -1;
    deadline = VERVET_NEVER;
  }

  // Whether it was moved since call() began.
  bool moved() const noexcept { return moved_; }

 private:
  // Calls back; returns whether to go on.
  virtual bool call(unsigned happened) = 0;

  int arm() noexcept {
    int error = vervet_watcher_start(this);
    armed_ = error == 0;
    return error;
  }

  static void fire(vervet_watcher* raw, unsigned happened) {
    auto self = static_cast<watching*>(raw)->shared_from_this();
    self->armed_ = false;
    self->calling_ = true;
    self->moved_ = false;
    bool more = self->call(happened);
    self->calling_ = false;
    if (!more) self->wanted_ = false;
    // A descriptor that was closed meanwhile cannot be watched any more.
    if (self->wanted_ && self->arm() != 0) self->wanted_ = false;
  }

  bool wanted_ = false;
  bool armed_ = false;    // the runtime has it
  bool calling_ = false;  // in call(), perhaps parked
  bool moved_ = false;
};

// The public face, the same for all but async_watcher.
class watcher {
 public:
  watcher(const watcher&) = delete;
  watcher& operator=(const watcher&) = delete;

  // start() turns it on again; no effect if it is on. Throws as the constructor.
  void start() {
    thread_.check(name_);
    state_->start();
  }
  // stop() turns it off; no callback begins any more. No effect if it is off.
  void stop() {
    thread_.check(name_);
    state_->stop();
  }
  // Whether it is on.
  bool active() const {
    thread_.check(name_);
    return state_->is_active();
  }

 protected:
  watcher(const char* name, std::shared_ptr<watching> state)
      : name_(name), state_(std::move(state)) {
    state_->start();
  }
  // One that is off has nothing to do with its thread.
  ~watcher() {
    if (state_->is_active()) stop();
  }

  const char* name_;
  bound_to_thread thread_;
  std::shared_ptr<watching> state_;
};

}  // namespace detail

// Calls back with what is possible (readable, writable, or both) while a descriptor is that:
// level-triggered, so a callback that leaves something unread is called again. Failed and hung up
// descriptors count as both; so does one closed with vervet_close(), after which the watcher is
// off. The descriptor stays the caller's; it should be non-blocking.
class io_watcher : public detail::watcher {
 public:
  static constexpr unsigned readable = VERVET_READABLE;  // or the peer has ended
  static constexpr unsigned writable = VERVET_WRITABLE;  // the kernel has room

  // callback(unsigned events). Throws std::system_error: bad_file_descriptor;
  // operation_not_permitted (a regular file: always ready).
  template <std::invocable<unsigned> F>
  io_watcher(int fd, unsigned events, F&& callback)
      : watcher("io_watcher",
                std::make_shared<state<std::decay_t<F>>>(fd, events, std::forward<F>(callback))) {}

 private:
  template <typename F>
  struct state final : detail::watching {
    F f;
    template <typename From>
    state(int descriptor, unsigned wanted, From&& from) : f(std::forward<From>(from)) {
      if (descriptor < 0) detail::throw_error(EBADF, "vervet: io_watcher");
      fd = descriptor;
      events = wanted;
    }
    bool call(unsigned happened) override {
      detail::call_reported("callback", f, happened);
      return true;
    }
  };
};

// Calls back at a time; then, if it has an interval, at each multiple of that after it: it does not
// drift, and of calls that come too late the last is made.
class timer : public detail::watcher {
 public:
  // callback(). Throws std::bad_alloc.
  template <std::invocable<> F>
  timer(vervet::deadline first, F&& callback, std::chrono::nanoseconds interval = {})
      : watcher("timer", std::make_shared<state<std::decay_t<F>>>(first.monotonic(), interval,
                                                                  std::forward<F>(callback))) {}

  // start(at) sets it anew, whether it is on or off.
  void start(vervet::deadline at) {
    stop();
    state_->move(at.monotonic());
    watcher::start();
  }
  using watcher::start;

 private:
  template <typename F>
  struct state final : detail::watching {
    F f;
    std::int64_t interval;
    template <typename From>
    state(std::int64_t at, std::chrono::nanoseconds every, From&& from)
        : f(std::forward<From>(from)), interval(every.count()) {
      deadline = at;
    }
    bool call(unsigned) override {
      detail::call_reported("callback", f);
      if (moved()) return true;  // started anew meanwhile
      if (interval <= 0 || interval > VERVET_NEVER - deadline) return false;
      std::int64_t now = vervet_after(0);
      deadline += interval;
      if (deadline < now) deadline += (now - deadline) / interval * interval;
      return true;
    }
  };
};

// Calls back after the end of a child process, with its wait status as waitpid() gives it; -1 if
// somebody else has waited for it. Once. It reaps the child: nobody else should wait for it. Until
// then the thread's waits count as able to end.
class child_watcher : public detail::watcher {
 public:
  // callback(int status). Throws std::system_error: no_such_process; too_many_files_open.
  template <std::invocable<int> F>
  child_watcher(pid_t pid, F&& callback)
      : watcher("child_watcher",
                std::make_shared<state<std::decay_t<F>>>(pid, std::forward<F>(callback))) {}

 private:
  template <typename F>
  struct state final : detail::watching {
    pid_t pid;
    F f;
    template <typename From>
    state(pid_t child, From&& from) : pid(child), f(std::forward<From>(from)) {
      fd = static_cast<int>(::syscall(SYS_pidfd_open, child, 0));
      if (fd < 0) detail::throw_error(errno, "vervet: child_watcher");
      events = VERVET_READABLE;
    }
    ~state() override { vervet_close(fd); }
    bool call(unsigned) override {
      int status = -1;
      pid_t ended = ::waitpid(pid, &status, WNOHANG);
      if (ended == 0) return true;  // not yet
      detail::call_reported("callback", f, ended == pid ? status : -1);
      return false;
    }
  };
};

// Calls back after send(). Several calls of send() before the callback begins are one (gevent's
// loop.async_); one that comes while it runs brings another call.
// Thread safety: unlike the others', every call from any thread; the destructor not while another
// call goes on. On another thread than the hub's, stop() and the destructor may come too late for a
// callback that is just beginning.
class async_watcher {
 public:
  // callback(). Throws std::bad_alloc.
  template <std::invocable<> F>
  explicit async_watcher(F&& callback)
      : state_(std::make_shared<state<std::decay_t<F>>>(std::forward<F>(callback))) {}
  async_watcher(const async_watcher&) = delete;
  async_watcher& operator=(const async_watcher&) = delete;
  ~async_watcher() { stop(); }

  // send() has the callback called soon. Throws std::system_error (no_such_process) if the hub's
  // thread has ended.
  void send() {
    if (state_->sent.exchange(true)) return;
    state_->own = state_;
    int error = vervet_hub_post(state_->home, state_.get());
    if (error == 0) return;
    state_->own.reset();
    state_->sent.store(false);
    detail::throw_error(error, "vervet: async_watcher: send");
  }

  // start() and stop(): it calls back, or does not. Sends meanwhile are lost.
  void start() noexcept { state_->wanted = true; }
  void stop() noexcept { state_->wanted = false; }
  bool active() const noexcept { return state_->wanted; }

 private:
  struct base : vervet_watcher {
    vervet_hub* home = vervet_hub_here();
    std::atomic<bool> sent{false};  // and the callback has not begun
    std::shared_ptr<base> own;      // its share while `sent`
    std::atomic<bool> wanted{true};
    bool calling = false;
    bool again = false;  // sent while the callback ran

    base() : vervet_watcher{} {
      if (home == nullptr) throw std::bad_alloc();
      detail::register_exceptions();
      callback = fire;
    }
    base(const base&) = delete;
    base& operator=(const base&) = delete;
    virtual ~base() { vervet_hub_release(home); }
    virtual void call() = 0;

    static void fire(vervet_watcher* raw, unsigned) {
      base& found = *static_cast<base*>(raw);
      std::shared_ptr<base> self = std::move(found.own);
      self->sent.store(false);
      self->again = true;
      if (self->calling) return;  // its fiber looks again
      self->calling = true;
      while (std::exchange(self->again, false))
        if (self->wanted) self->call();
      self->calling = false;
    }
  };

  template <typename F>
  struct state final : base {
    F f;
    template <typename From>
    explicit state(From&& from) : f(std::forward<From>(from)) {}
    void call() override { detail::call_reported("callback", f); }
  };

  std::shared_ptr<base> state_;
};

}  // namespace vervet
