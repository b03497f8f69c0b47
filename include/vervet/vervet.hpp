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

#include <vervet/error.hpp>
#include <vervet/fiber.hpp>
#include <vervet/joinall.hpp>
#include <vervet/run.hpp>
#include <vervet/spawn.hpp>
#include <vervet/time.hpp>
#include <vervet/vervet.h>
