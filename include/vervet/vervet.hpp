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

#include <vervet/address.hpp>
#include <vervet/after.hpp>
#include <vervet/async_result.hpp>
#include <vervet/await.hpp>
#include <vervet/barrier.hpp>
#include <vervet/buffer.hpp>
#include <vervet/channel.hpp>
#include <vervet/condition_variable.hpp>
#include <vervet/dns.hpp>
#include <vervet/error.hpp>
#include <vervet/event.hpp>
#include <vervet/fd.hpp>
#include <vervet/fiber.hpp>
#include <vervet/gather.hpp>
#include <vervet/generator.hpp>
#include <vervet/group.hpp>
#include <vervet/hub.hpp>
#include <vervet/imap.hpp>
#include <vervet/joinall.hpp>
#include <vervet/latch.hpp>
#include <vervet/local.hpp>
#include <vervet/mutex.hpp>
#include <vervet/once.hpp>
#include <vervet/open_connection.hpp>
#include <vervet/outcome.hpp>
#include <vervet/patched.hpp>
#include <vervet/pool.hpp>
#include <vervet/process.hpp>
#include <vervet/queue.hpp>
#include <vervet/run.hpp>
#include <vervet/select.hpp>
#include <vervet/semaphore.hpp>
#include <vervet/shared_mutex.hpp>
#include <vervet/signal.hpp>
#include <vervet/socket.hpp>
#include <vervet/spawn.hpp>
#include <vervet/stream.hpp>
#include <vervet/stream_server.hpp>
#include <vervet/task.hpp>
#include <vervet/task_group.hpp>
#include <vervet/tcp.hpp>
#include <vervet/this_fiber.hpp>
#include <vervet/thread_pool.hpp>
#include <vervet/time.hpp>
#include <vervet/timeout.hpp>
#include <vervet/udp.hpp>
#include <vervet/unix.hpp>
#include <vervet/wait.hpp>
#include <vervet/watchers.hpp>
#include <vervet/when_all.hpp>
#include <vervet/vervet.h>
