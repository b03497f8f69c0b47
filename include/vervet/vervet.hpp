// vervet's C++ interface, all of it.
//
// Light fibers, hosted by the thread that spawns them, deterministic, gevent's order:
//     auto answer = vervet::spawn([] { vervet::sleep_for(10ms); return 42; });
//     std::cout << answer.get();
// Full fibers on several cores:
//     vervet::run({.workers = 4}, [] { … vervet::spawn(work) … });
//
// What is common to all calls (processes, threads that end, signals) stands in vervet.h.
#pragma once

#include <vervet/async_result.hpp>
#include <vervet/barrier.hpp>
#include <vervet/channel.hpp>
#include <vervet/condition_variable.hpp>
#include <vervet/error.hpp>
#include <vervet/event.hpp>
#include <vervet/fiber.hpp>
#include <vervet/gather.hpp>
#include <vervet/generator.hpp>
#include <vervet/joinall.hpp>
#include <vervet/latch.hpp>
#include <vervet/local.hpp>
#include <vervet/mutex.hpp>
#include <vervet/once.hpp>
#include <vervet/outcome.hpp>
#include <vervet/queue.hpp>
#include <vervet/run.hpp>
#include <vervet/select.hpp>
#include <vervet/semaphore.hpp>
#include <vervet/shared_mutex.hpp>
#include <vervet/spawn.hpp>
#include <vervet/this_fiber.hpp>
#include <vervet/time.hpp>
#include <vervet/timeout.hpp>
#include <vervet/wait.hpp>
#include <vervet/vervet.h>
