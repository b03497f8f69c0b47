// Steps that wait for other fibers, for time, and inside of scopes, groups and generators.
#include <stop_token>
#include <vector>

#include "world.h"

namespace test {
namespace {

using namespace std::chrono_literals;

// A fiber that ends soon by itself; with a value on the heap.
vervet::fiber<item> spawn_child(choices& random) {
  choices own(random());
  return vervet::spawn([own, held = counted()]() mutable {
    linger(own);
    return new_item();
  });
}
std::vector<vervet::fiber<item>> spawn_children(choices& random) {
  std::vector<vervet::fiber<item>> all;
  for (int i = 0; i < 3; ++i) all.push_back(spawn_child(random));
  return all;
}

void sleep_and_yield(world&, choices& random) {
  counted held;
  vervet::yield();
  vervet::this_fiber::idle();
  vervet::sleep_for(some_microseconds(random));
  vervet::sleep_until(std::chrono::steady_clock::now() + some_microseconds(random));
}

void join(world&, choices& random) {
  auto child = spawn_child(random);
  if (!child.join(some_microseconds(random))) child.join();
  item got = child.get();
}

void get(world&, choices& random) { item got = spawn_child(random).get(); }

void join_all(world&, choices& random) {
  auto children = spawn_children(random);
  vervet::joinall(children, {.count = 1});
  vervet::joinall(children, {.timeout = some_microseconds(random), .raise_error = true});
  vervet::joinall(children);
}

void wait_for_several(world& w, choices& random) {
  auto children = spawn_children(random);
  auto first = vervet::wait(children, {.count = 1});
  vervet::wait({.timeout = some_microseconds(random)}, w.event, w.semaphore, children[0]);
  for (auto& child : vervet::iwait(children)) item got = child.get();
}

void gather(world&, choices& random) {
  auto [one, two] = vervet::gather(spawn_child(random), [own = choices(random())]() mutable {
    linger(own);
    return 2;
  });
  auto all = vervet::gather(spawn_children(random));
}

void kill_another(world&, choices& random) {
  auto victim = vervet::spawn([held = counted(), own = choices(random())]() mutable {
    item on_heap = new_item();
    {
      vervet::shield closed;
      linger(own);
    }
    for (;;) linger(own);
  });
  struct ending {
    vervet::fiber<> f;
    ~ending() { f.kill(vervet::fiber_exit(), false); }
  } at_the_end{victim};
  linger(random);
  victim.kill();
}

void link(world&, choices& random) {
  auto child = spawn_child(random);
  auto ended = std::make_shared<vervet::event>();
  child.link([ended, held = counted()](vervet::fiber<item> f) {
    item got = f.get();
    ended->set();
  });
  auto unused = child.link([held = counted()](vervet::fiber<item>) {});
  if (one_in(random, 2)) unused.unlink();
  ended->wait();
}

void spawn_later(world&, choices& random) {
  auto late = vervet::spawn_later(some_microseconds(random), [held = counted()] {});
  if (one_in(random, 2)) late.join();
}

void time_out(world& w, choices& random) {
  item held = new_item();
  vervet::with_timeout(some_microseconds(random), [&] { w.event.wait(); });
  vervet::with_timeout(1ms, [&] {
    counted inner;
    vervet::timeout sooner(some_microseconds(random));
    try {
      for (;;) linger(random);
    } catch (const vervet::timeout_expired& expired) {
      if (!expired.is(sooner)) throw;
    }
  });
}

void finish_under_a_shield(world& w, choices& random) {
  item held = new_item();
  {
    vervet::shield closed;
    linger(random);
    w.event.wait(some_microseconds(random));
  }
  vervet::yield();
}

void stop(world&, choices& random) {
  std::stop_source source;
  auto stopper = vervet::spawn([source, own = choices(random())]() mutable {
    linger(own);
    source.request_stop();
  });
  vervet::sleep_for(10s, source.get_token());
  stopper.join();
}

// The kill also requests the stop.
void wait_for_a_fiber_with_token(world&, choices& random) {
  auto child = vervet::spawn([held = counted()](std::stop_token token) {
    vervet::sleep_for(10s, token);
    return new_item();
  });
  struct ending {
    vervet::fiber<item>& f;
    ~ending() { f.kill(vervet::fiber_exit(), false); }
  } at_the_end{child};
  child.join(some_microseconds(random));
}

void wait_in_destructors(world&, choices& random) {
  struct lingering {
    item held = new_item();
    ~lingering() {
      vervet::shield until_it_has_ended;
      vervet::yield();
    }
  } outer;
  linger(random);
  lingering inner;
  linger(random);
}

void group(world&, choices& random) {
  vervet::group g;
  for (int i = 0; i < 3; ++i)
    g.spawn([own = choices(random()), held = counted()]() mutable { linger(own); });
  if (one_in(random, 3)) g.kill();
  if (!g.join(some_microseconds(random))) g.join();
}

void use_pool(world& w, choices& random) {
  for (int i = 0; i < 3; ++i) {
    auto child = w.pool.spawn([own = choices(random()), held = counted()]() mutable {
      linger(own);
      return new_item();
    });
    if (one_in(random, 3)) child.get();
  }
  w.pool.wait_available();
}

void map_in_pool(world& w, choices& random) {
  std::vector<unsigned> seeds{pick(random, 100), pick(random, 100), pick(random, 100)};
  auto call = [held = counted()](unsigned seed) {
    choices own(seed + 1);
    linger(own);
    return new_item();
  };
  auto all = w.pool.map(call, seeds);
  vervet::pool inner(2);
  for (item got : inner.imap(call, seeds)) linger(random);
  for (item got : inner.imap_unordered(call, seeds, 1)) linger(random);
  w.pool.apply([&] { linger(random); });
}

void task_group(world& w, choices& random) {
  vervet::with_task_group([&](vervet::task_group& tasks) {
    for (int i = 0; i < 2; ++i)
      tasks.spawn([&w, own = choices(random()), held = counted()]() mutable {
        linger(own);
        w.event.wait();
      });
    linger(random);
    if (one_in(random, 3)) tasks.cancel();
  });
}

void failing_task_group(world&, choices& random) {
  struct planned {};
  try {
    vervet::with_task_group([&](vervet::task_group& tasks) {
      tasks.spawn([own = choices(random()), held = counted()]() mutable {
        linger(own);
        throw planned();
      });
      tasks.spawn([held = new_item()] { vervet::sleep_for(10s); });
      vervet::sleep_for(10s);
    });
  } catch (const planned&) {
  }
}

void generate(world&, choices& random) {
  vervet::generator<item> numbers([&, held = counted()](auto& yield) {
    counted inside;
    for (int i = 0; i < 3; ++i) {
      linger(random);
      yield(new_item());
    }
  });
  for (item got : numbers) linger(random);
}

void leave_generator(world&, choices& random) {
  vervet::generator<item> endless([&, held = counted()](auto& yield) {
    item inside = new_item();
    for (;;) yield(new_item());
  });
  item first = *endless.next();
  linger(random);
}

void use_local(world& w, choices& random) {
  if (w.own.get() == nullptr) w.own.set(new_item());
  counted* before = w.own.get().get();
  linger(random);
  if (w.own.get().get() != before) throw std::logic_error("a local has changed");
}

constexpr step steps[] = {
    {"sleep and yield", sleep_and_yield},
    {"join", join},
    {"get", get},
    {"joinall", join_all},
    {"wait for several", wait_for_several},
    {"gather", gather},
    {"kill another", kill_another},
    {"link", link},
    {"spawn later", spawn_later},
    {"time out", time_out},
    {"finish under a shield", finish_under_a_shield},
    {"stop", stop},
    {"wait for a fiber with a token", wait_for_a_fiber_with_token},
    {"wait in destructors", wait_in_destructors},
    {"join a group", group},
    {"use a pool", use_pool},
    {"map in a pool", map_in_pool},
    {"task_group", task_group},
    {"task_group that fails", failing_task_group},
    {"generate", generate},
    {"leave a generator", leave_generator},
    {"use a local", use_local},
};

}  // namespace

std::span<const step> fiber_steps() { return steps; }

}  // namespace test
