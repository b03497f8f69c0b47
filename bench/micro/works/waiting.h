// What flows wait for: a mutex, a condition variable, a queue, a channel, a gate of their own.
#pragma once

#include <mutex>

#include "bench/micro/works/duet.h"

template <typename Flows>
struct waiting {
  // Nobody else wants it.
  static void mutex_free(benchmark::State& state) {
    typename Flows::mutex mutex;
    for (auto _ : state) {
      mutex.lock();
      mutex.unlock();
    }
    state.SetItemsProcessed(static_cast<int64_t>(state.iterations()));
  }

  // Each gives way while he has it, so that the other one must wait. An item is a lock.
  static void mutex(benchmark::State& state) {
    typename Flows::mutex mutex;
    int64_t locks = 0;
    bool stop = false;
    auto hold = [&] {
      std::lock_guard guard(mutex);
      ++locks;
      Flows::yield();
      return !stop;
    };
    duet<Flows>(state, locks, hold, hold, [&] {
      std::lock_guard guard(mutex);
      stop = true;
    });
  }

  // They change a variable in turn and wait until the other has. An item is one change.
  static void condition(benchmark::State& state) {
    typename Flows::mutex mutex;
    typename Flows::condition changed;
    int64_t turn = 0;
    bool stop = false;
    auto change = [&](int64_t parity) {
      std::unique_lock<typename Flows::mutex> guard(mutex);
      while (turn % 2 != parity && !stop) changed.wait(guard);
      if (stop) return false;
      ++turn;
      changed.notify_one();
      return true;
    };
    duet<Flows>(
        state, turn, [&] { change(0); }, [&] { return change(1); },
        [&] {
          std::unique_lock<typename Flows::mutex> guard(mutex);
          stop = true;
          changed.notify_one();
        });
  }

  // A queue for 128 from one to the other. An item is an item.
  static void queue(benchmark::State& state) {
    typename Flows::queue queue(128);
    int64_t sent = 0, received = 0, sum = 0;
    auto get = [&] {
      long item = queue.get();
      sum += item;
      ++received;
      return item != 0;
    };
    duet<Flows>(
        state, sent, [&] { queue.put(++sent); }, get, [&] { queue.put(0); });
    if (received != sent + 1 || sum != sent * (sent + 1) / 2) state.SkipWithError("lost items");
  }

  // A channel without room there and one back. An item is a message.
  static void channel(benchmark::State& state) {
    typename Flows::channel there, back;
    int64_t messages = 0;
    bool good = true;
    auto ask = [&] {
      there.put(messages + 1);
      good = back.get() == messages + 2 && good;
      messages += 2;
    };
    auto answer = [&] {
      long asked = there.get();
      if (asked != 0) back.put(asked + 1);
      return asked != 0;
    };
    duet<Flows>(state, messages, ask, answer, [&] { there.put(0); });
    if (!good) state.SkipWithError("a wrong answer");
  }

  // The least that a wait can be: a word and whoever sleeps on it. An item is a wake and a sleep of
  // both.
  static void park(benchmark::State& state) {
    typename Flows::gate there, back;
    int64_t rounds = 0;
    bool stop = false;
    auto call = [&] {
      there.open();
      back.wait();
      ++rounds;
    };
    auto answer = [&] {
      there.wait();
      if (stop) return false;
      back.open();
      return true;
    };
    duet<Flows>(state, rounds, call, answer, [&] {
      stop = true;
      there.open();
    });
  }

  static void add() {
    if constexpr (requires { typename Flows::mutex; }) {
      work("mutex_free", Flows::subject, mutex_free)->Arg(1);
      work("mutex", Flows::subject, mutex)->Arg(2);
      work("condition", Flows::subject, condition)->Arg(2);
      work("queue", Flows::subject, queue)->Arg(2);
    }
    if constexpr (requires { typename Flows::channel; })
      work("channel", Flows::subject, channel)->Arg(2);
    if constexpr (requires { typename Flows::gate; }) work("park", Flows::subject, park)->Arg(2);
  }
};
