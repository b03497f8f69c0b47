/* vervet's C interface: fibers for programs written in C, and the ABI under the C++ headers.
 *
 * Two ways to use it, which may meet in one process:
 *  - An OS thread that calls vervet_spawn() hosts *light fibers*: they share its identity (TLS, id,
 *    signal mask), run only while it is inside vervet_join, vervet_sleep_*, vervet_yield or another
 *    call that waits, one at a time, first in first out, and never move to another thread.
 *  - vervet_run() starts n workers and runs *full fibers* on them: each has a thread's identity of
 *    its own (`__thread` variables, errno, pthread_self()) and runs on any of the workers' kernel
 *    threads. vervet_spawn() makes full fibers there. A blocking libc call blocks the kernel thread
 *    under it; waits of this interface do not.
 * In a program started by the launcher `vervet`, a thread's fiber that calls vervet_spawn() hosts
 * light fibers, as an OS thread does; every blocking libc call of theirs lets the others run. So it
 * does in a program linked with vervet::patched, see vervet_patched().
 *
 * Errors: functions that return int return 0 or a positive error number, as pthread functions do;
 * errno is never set. Time: nanoseconds; deadlines are points on CLOCK_MONOTONIC.
 * Thread safety: every function may be called from any thread or fiber, unless it says otherwise;
 * none from a signal handler. Handlers run on the stack of the fiber that they interrupt.
 * Process: after fork() the child has the calling fiber alone, as its thread's only flow; fibers
 * spawned before never run there. When main() returns, the process exits; fibers that have not
 * ended are abandoned. A thread that ends abandons the light fibers it hosts: they never run again
 * and their stacks stay allocated.
 */
#ifndef VERVET_VERVET_H
#define VERVET_VERVET_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
/* Marks what the shared library exports. */
#define VERVET_API __attribute__((visibility("default")))
#else
#define VERVET_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* A deadline that never comes. */
#define VERVET_NEVER INT64_MAX

/* A handle to a spawned fiber. It stays valid, whether the fiber runs or has ended, until it is
 * given to vervet_release(). */
typedef struct vervet_fiber vervet_fiber;

struct vervet_hub;
/* Light, full; or by where vervet_spawn() is called: full inside vervet_run(), light elsewhere. */
enum vervet_kind { VERVET_DEFAULT = 0, VERVET_LIGHT = 1, VERVET_FULL = 2 };

/* How to spawn. Set `size`; zero in any other field means its default:
 *   vervet_spawn_options options = {.size = sizeof options, .stack_size = 1 << 20};  */
typedef struct vervet_spawn_options {
  size_t size;       /* sizeof(vervet_spawn_options) */
  size_t stack_size; /* bytes, guard page included, from 16 KiB. Default: light 64, full 256 KiB */
  const char* name;  /* for messages; the first 15 bytes are copied. Default: none */
  enum vervet_kind kind; /* default: full inside vervet_run(), light elsewhere */
  unsigned worker; /* full: n > 0 queues it on the n-th worker; an idle one may take it from there */
  int64_t start;   /* not before this deadline. Default: at once */
  struct vervet_hub* hub; /* light: on this hub, of whichever thread (abi.h). Default: here */
  void (*discard)(void*); /* called in entry's place if it is killed before it starts */
} vervet_spawn_options;

/* Spawns a fiber that calls entry(argument). It does not run now: it stands at the end of the
 * queue, and its turn comes when the caller waits (a light fiber) or a worker is free (a full one).
 *
 * `fiber`    receives a handle that the caller must release; null if none is wanted.
 * `options`  may be null. It is not kept.
 * `entry`    must return, or end a full fiber by pthread_exit(); a light one must not. No exception
 *            may leave it. Its result is what vervet_join() stores.
 * Blocks     never; making a full fiber may take the time of making a kernel thread.
 * Returns 0; EINVAL (stack_size, worker, kind, or options->size is unknown); ESRCH (the hub's thread
 * has ended); EAGAIN (no memory for the stack, or
 * no kernel thread to make a full fiber's identity). */
VERVET_API int vervet_spawn(vervet_fiber** fiber, const vervet_spawn_options* options,
                            void* (*entry)(void*), void* argument);

/* Waits until the fiber has ended, or `deadline` has passed. Any number of flows may join one
 * fiber, any number of times. A deadline of 0 only looks.
 *
 * `result`  receives what the entry returned (null after pthread_exit); may be null.
 * Blocks    the calling fiber; the calling OS thread if it hosts no living fiber.
 * Returns 0; ETIMEDOUT; EDEADLK if the fiber certainly never ends: the caller joins itself, or all
 * flows of this host (of this vervet_run()) wait without a deadline for each other to end, in which
 * case the host's own flow is told (vervet_run()'s function, or once that has ended any of them);
 * EOWNERDEAD if it was abandoned; ECANCELED if the wait was cut (see vervet_kill()).
 * What the fiber wrote happens before a return of 0. */
VERVET_API int vervet_join(vervet_fiber* fiber, void** result, int64_t deadline);

/* Joins `count` fibers. Returns 0 when all have ended, else the first error as vervet_join().
 * Null entries are passed over. */
VERVET_API int vervet_joinall(vervet_fiber* const* fibers, size_t count, int64_t deadline);

/* 1 if the fiber has ended, else 0. Never blocks. */
VERVET_API int vervet_has_ended(const vervet_fiber* fiber);

/* Ends the fiber at its next wait: that wait, and each one after it, returns ECANCELED until the
 * fiber has looked (vervet_check_killed()). A fiber that has not started never does. A C call that
 * is patched (recv(), sleep() …) fails with errno ECANCELED. Not delivered: to a fiber that computes
 * or waits in what was not intercepted; nor, yet, to one that an exception is unwinding. C++ code sees
 * an exception instead, see fiber.hpp.
 * Returns 0; ESRCH if it has ended. Never blocks. Any thread. */
VERVET_API int vervet_kill(vervet_fiber* fiber);

/* 1 if the calling fiber was killed since it last looked, else 0. */
VERVET_API int vervet_check_killed(void);

/* The fiber's name ("" if it has none) and number: it is the n-th of its process. Valid as long as
 * the handle. */
VERVET_API const char* vervet_name(const vervet_fiber* fiber);
VERVET_API uint64_t vervet_number(const vervet_fiber* fiber);

/* Drops a handle; the fiber runs on. Null is passed over. Never blocks. */
VERVET_API void vervet_release(vervet_fiber* fiber);

/* Lets every other runnable fiber run once, and due timers fire, before the caller goes on.
 * Returns at once if there is none. 0, or ECANCELED if the caller was cut (see vervet_kill()). */
VERVET_API int vervet_yield(void);

/* Yields until nothing else is runnable (gevent's idle()): all others wait, or are in this call as
 * well; then these go on one by one. 0 or ECANCELED. */
VERVET_API int vervet_idle(void);

/* Sleeps for `nanoseconds`; zero and less is vervet_yield(). A signal handler that runs meanwhile
 * does not cut it short. Blocks like vervet_join(). 0, or ECANCELED. */
VERVET_API int vervet_sleep_for(int64_t nanoseconds);

/* Sleeps until `deadline`; if that has passed, vervet_yield(). */
VERVET_API int vervet_sleep_until(int64_t deadline);

/* The deadline `nanoseconds` from now; VERVET_NEVER if that is beyond the clock. */
VERVET_API int64_t vervet_after(int64_t nanoseconds);

/* How to run. Set `size`; zero in any other field means its default. */
typedef struct vervet_run_options {
  size_t size;      /* sizeof(vervet_run_options) */
  unsigned workers; /* 1 to 256. Default: the CPUs this process may use */
} vervet_run_options;

/* Starts workers, calls function(argument) in a full fiber, waits until it and every fiber spawned
 * inside have ended, and stops the workers.
 *
 * `options` may be null. `result` receives what the function returned; may be null.
 * Blocks    the calling flow; light fibers of a calling host go on.
 * Returns 0; EINVAL (workers out of range, options->size unknown); EBUSY if the process runs
 * workers already: inside a vervet_run(), during one of another thread, or under the launcher
 * `vervet`, whose workers carry the program's threads; EAGAIN if threads or memory are short.
 * Inside, fork() is for a child that calls exec or _exit only. */
VERVET_API int vervet_run(const vervet_run_options* options, void* (*function)(void*),
                          void* argument, void** result);

/* ---- Blocking work elsewhere ---------------------------------------------------------------- */

/* Runs function(argument) on a kernel thread of a pool while the caller is parked: for calls that
 * block and have no form that waits. All signals are blocked there. A call from a thread of the
 * pool runs the function at once, where it is.
 *
 * `result` receives what the function returned; may be null.
 * Blocks   the calling flow until the function has returned. Cut short only while no thread has
 *          begun with it: the function may use the caller's stack. A kill or timeout that comes later
 *          ends the caller's next wait.
 * Returns 0; ECANCELED (it was cut, the function is not called); EAGAIN (no thread can be made). */
VERVET_API int vervet_offload(void* (*function)(void*), void* argument, void** result);

/* How many threads that pool has at most. Default: four for each CPU, eight at least. What runs
 * already goes on. 0, or EINVAL for 0 and for more than 32,768. */
VERVET_API int vervet_offload_threads(unsigned most);

/* ---- Synchronisation ------------------------------------------------------------------------ */

/* Between any flows: fibers of any host, and OS threads. Whoever waits is served in the order he
 * came; what is given away goes to him directly, and nobody overtakes. Waiting blocks the calling
 * flow as vervet_join() does and returns, beside what each function says: ETIMEDOUT (deadline; 0
 * only looks); ECANCELED if it was cut (see vervet_kill()); EDEADLK if it certainly never ends.
 * Whoever gets one of these has not got what he waited for, and is in no line any more. Free an
 * object when nobody uses it; null is passed over. Making one returns 0 or ENOMEM. What goes
 * before giving happens before what follows taking. */

/* Not recursive. A flow that ends does not give its mutexes back. */
typedef struct vervet_mutex vervet_mutex;
VERVET_API int vervet_mutex_make(vervet_mutex** mutex);
VERVET_API void vervet_mutex_free(vervet_mutex* mutex);
/* 0; EDEADLK at once if the caller has it. */
VERVET_API int vervet_mutex_lock(vervet_mutex* mutex, int64_t deadline);
/* 0; EPERM if the caller has not got it. */
VERVET_API int vervet_mutex_unlock(vervet_mutex* mutex);

/* A condition variable, for use with a vervet_mutex. Making and freeing it as any of these. */
typedef struct vervet_cond vervet_cond;
VERVET_API int vervet_cond_make(vervet_cond** condition);
VERVET_API void vervet_cond_free(vervet_cond* condition);
/* Unlocks the mutex, waits for a signal, and locks it again whatever it returns. 0 (signalled:
 * there are no spurious ends); EPERM if the caller has not got the mutex. */
VERVET_API int vervet_cond_wait(vervet_cond* condition, vervet_mutex* mutex, int64_t deadline);
/* Wakes the first of those who wait; all of them. Never block. */
VERVET_API void vervet_cond_signal(vervet_cond* condition);
VERVET_API void vervet_cond_broadcast(vervet_cond* condition);

/* A queue of pointers, first in first out, of up to `capacity` (at least one, else EINVAL). */
typedef struct vervet_queue vervet_queue;
VERVET_API int vervet_queue_make(vervet_queue** queue, size_t capacity);
VERVET_API void vervet_queue_free(vervet_queue* queue);
/* Waits for room. 0; EPIPE if the queue is closed. */
VERVET_API int vervet_queue_put(vervet_queue* queue, void* item, int64_t deadline);
/* Waits for an item. 0; EPIPE if the queue is closed and empty. */
VERVET_API int vervet_queue_get(vervet_queue* queue, void** item, int64_t deadline);
/* No more puts; those who wait get EPIPE. What is in the queue can be got. Never blocks. */
VERVET_API void vervet_queue_close(vervet_queue* queue);
/* How many it holds at the moment. */
VERVET_API size_t vervet_queue_size(vervet_queue* queue);

/* ---- Statistics ----------------------------------------------------------------------------- */

/* What the runtime counts. */
typedef struct vervet_stats {
  size_t size;                 /* sizeof(vervet_stats); the rest is filled in */
  uint64_t fibers_spawned;     /* by this interface, since the process began */
  uint64_t fibers_alive;       /* of those, neither ended nor abandoned */
  uint64_t offload_threads;    /* of vervet_offload()'s pool, idle ones included */
  uint64_t offload_idle;       /* of those, without work */
  uint64_t offload_unfinished; /* calls that wait or are under way there */
} vervet_stats;

/* 0; EINVAL if stats->size is unknown. Never blocks. The figures may be of slightly different
 * moments. */
VERVET_API int vervet_get_stats(vervet_stats* stats);

/* ---- Patched libc ---------------------------------------------------------------------------- */

/* Whether blocking libc calls park the calling fiber instead of blocking its kernel thread:
 * NOT: they block. LINKED: in light fibers of ordinary threads, and inside vervet_run(); the program was
 * linked with vervet::patched. PRELOADED: in every thread; it was started by the launcher `vervet`. */
typedef enum vervet_patch_mode {
  VERVET_PATCHED_NOT = 0,
  VERVET_PATCHED_LINKED = 1,
  VERVET_PATCHED_PRELOADED = 2
} vervet_patch_mode;

/* The mode of this process. `names` receives the replaced functions' names, for the life of the
 * process, and `count` how many; null and 0 if nothing is patched. Either may be null. Never blocks. */
VERVET_API vervet_patch_mode vervet_patched(const char* const** names, size_t* count);

#ifdef __cplusplus
}
#endif

#endif
