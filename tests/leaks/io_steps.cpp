// Steps that wait for descriptors and for native threads.
#include <string>
#include <system_error>
#include <thread>

#include "world.h"

namespace test {
namespace {

using namespace std::chrono_literals;

// A fiber at the other end, for whom it is no error that this end goes away, or is late.
template <typename F>
auto spawn_peer(F f) {
  return vervet::spawn([f = std::move(f), held = counted()]() mutable {
    try {
      f();
    } catch (const std::system_error&) {
    }
  });
}

void receive(world& w, choices& random) {
  auto& from = one_in(random, 2) ? w.near : w.far;
  char bytes[64];
  if (one_in(random, 2)) {
    from.read_some(vervet::buffer(bytes, sizeof bytes));
    return;
  }
  try {
    from.read_some(vervet::buffer(bytes, sizeof bytes), some_microseconds(random));
  } catch (const vervet::timed_out&) {
  }
}

// More than the socket takes: the rest waits for a reader.
void send_much(world&, choices& random) {
  auto ends = std::make_shared<std::pair<vervet::unix_socket, vervet::unix_socket>>(
      vervet::unix_socket::pair());
  auto reader = spawn_peer([ends, own = choices(random())]() mutable {
    std::string into(1 << 16, ' ');
    while (ends->first.read_some(vervet::buffer(into.data(), into.size())) != 0)
      if (one_in(own, 4)) linger(own);
  });
  struct closing {
    vervet::unix_socket& s;
    ~closing() { s.shutdown(); }
  } at_the_end{ends->second};
  std::string much(1 << 19, 'x');
  ends->second.write_all(vervet::const_buffer(much.data(), much.size()));
}

void read_lines(world&, choices& random) {
  auto [near, far] = vervet::unix_socket::pair();
  auto writer = spawn_peer([far = std::move(far), own = choices(random())]() mutable {
    vervet::stream out(std::move(far));
    for (int i = 0; i < 3; ++i) {
      out.write(vervet::const_buffer("a line\n", 7));
      out.flush();
      linger(own);
    }
  });
  vervet::stream in(std::move(near));
  while (!in.read_line().empty()) {
  }
}

void share_a_stream(world&, choices& random) {
  auto [near, far] = vervet::unix_socket::pair();
  auto in = std::make_shared<vervet::stream<vervet::unix_socket>>(std::move(near));
  auto other = spawn_peer([in] { in->read(1, 1ms); });
  auto writer = spawn_peer([far = std::move(far), own = choices(random())]() mutable {
    linger(own);
    far.write_all(vervet::const_buffer("ab", 2));
  });
  try {
    in->read(1, 5ms);
  } catch (const vervet::timed_out&) {
  }
  other.join();
}

void connect_and_accept(world&, choices& random) {
  auto listener = std::make_shared<vervet::tcp_listener>(vervet::address("127.0.0.1", 0));
  auto client = spawn_peer([listener, own = choices(random())]() mutable {
    linger(own);
    vervet::tcp_socket::connect(listener->local_address(), 5s);
  });
  vervet::tcp_socket accepted = listener->accept();
  client.join();
}

void connect_and_send(world&, choices&) {
  auto listener = std::make_shared<vervet::tcp_listener>(vervet::address("127.0.0.1", 0));
  auto server = spawn_peer([listener] {
    vervet::tcp_socket s = listener->accept(5ms);
    s.write_all(vervet::const_buffer("hello", 5), 5s);
  });
  vervet::tcp_socket s = vervet::tcp_socket::connect(listener->local_address());
  char bytes[8];
  try {
    s.read_some(vervet::buffer(bytes, sizeof bytes), 20ms);
  } catch (const vervet::timed_out&) {
  }
  server.join();
}

void wait_for_descriptor(world&, choices& random) {
  auto pipe = std::make_shared<vervet::pipe_ends>(vervet::make_pipe());
  auto writer = spawn_peer([pipe, own = choices(random())]() mutable {
    linger(own);
    pipe->in.write_all(vervet::const_buffer("x", 1));
  });
  vervet::wait_readable(pipe->out.native_handle());
  pipe->in.wait_writable();
  char byte;
  pipe->out.read_some(vervet::buffer(&byte, 1));
  try {
    pipe->out.wait_readable(some_microseconds(random));
  } catch (const vervet::timed_out&) {
  }
}

// Whoever waits for it is told.
void close_what_is_waited_for(world&, choices& random) {
  auto pipe = std::make_shared<vervet::pipe_ends>(vervet::make_pipe());
  vervet::fiber<> reader = spawn_peer([pipe] {
    char byte;
    pipe->out.read_some(vervet::buffer(&byte, 1));
  });
  struct ending {
    vervet::fiber<>& f;
    ~ending() { f.kill(vervet::fiber_exit(), false); }
  } at_the_end{reader};
  linger(random);
  (one_in(random, 2) ? pipe->in : pipe->out).close();
  reader.join();
}

void offload(world&, choices& random) {
  auto span = some_microseconds(random);
  item got = vervet::offload([span, held = counted()] {
    std::this_thread::sleep_for(span);
    return new_item();
  });
}

void submit(world& w, choices& random) {
  auto span = some_microseconds(random);
  auto job = [span, held = counted()] {
    std::this_thread::sleep_for(span);
    return new_item();
  };
  auto one = w.threads.submit(job), two = w.threads.submit(job), three = w.threads.submit(job);
  two.wait(some_microseconds(random));
  item got = one.get(), last = std::move(three).get();
  got = w.threads.apply(job);
}

void wait_for_threads(world&, choices& random) {
  vervet::thread_pool threads(1);
  auto span = some_microseconds(random);
  auto job = [span, held = counted()] { std::this_thread::sleep_for(span); };
  auto one = threads.submit(job);
  threads.join();
}

constexpr step steps[] = {
    {"receive", receive},
    {"send much", send_much},
    {"read lines", read_lines},
    {"share a stream", share_a_stream},
    {"connect and accept", connect_and_accept},
    {"connect and send", connect_and_send},
    {"wait for a descriptor", wait_for_descriptor},
    {"close what is waited for", close_what_is_waited_for},
    {"offload", offload},
    {"submit to threads", submit},
    {"wait for threads", wait_for_threads},
};

}  // namespace

std::span<const step> io_steps() { return steps; }

}  // namespace test
