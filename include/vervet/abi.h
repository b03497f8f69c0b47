/* What the C++ headers, and bindings of other languages, stand on: parking, scopes that cut waits
 * short, descriptors, hubs. Programs use vervet.h or the C++ headers.
 *
 * A *flow* is whoever calls: a fiber, or an OS thread. Errors are returned, as in vervet.h.
 */
#ifndef VERVET_ABI_H
#define VERVET_ABI_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <vervet/vervet.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Parking -------------------------------------------------------------------------------- */

/* Flags of vervet_park(). */
#define VERVET_PARK_UNCUT 1u   /* no scope and no kill ends it: for locks that must be taken */
#define VERVET_PARK_OUTSIDE 2u /* whoever unparks is known to come: no deadlock is seen in it */

/* Sleeps on `address` until somebody unparks it.
 *
 * `validate`  called when whoever unparks from now on will find the caller; 0 to not sleep after
 *             all. It must not block, allocate or throw. May be null.
 * Returns 0 (unparked, or validate() said so: look at your own state again, there are spurious ends);
 * ETIMEDOUT; ECANCELED (a scope or a kill has cut it: vervet_take_cut() tells which, and must be
 * called before the flow can wait again); EDEADLK (certain never to end, see vervet_join()).
 * First in, first out per address. */
VERVET_API int vervet_park(const void* address, int (*validate)(void*), void* argument,
                           int64_t deadline, unsigned flags);

/* Wakes up to `count` sleepers; returns how many. Never blocks. Nobody need be at the address. What
 * the caller has changed for validate() to see must have been changed by a sequentially consistent
 * operation: a sleeper shows up and then looks, the caller changes and then looks for sleepers. */
VERVET_API unsigned vervet_unpark(const void* address, unsigned count);

/* A number that tells the calling flow from all others alive in this process. Never 0. */
VERVET_API uint64_t vervet_self(void);

/* ---- Scopes --------------------------------------------------------------------------------- */

/* A scope cuts short the waits of the flow that entered it: those that begin or last beyond its
 * deadline, and all of them once it is cancelled; not while an exception unwinds the flow, whose
 * destructors may wait. It does so once; then it is spent. The caller's
 * memory. Fill in deadline, flags, raise; the rest is ours. */
typedef struct vervet_scope {
  uint32_t flags;      /* VERVET_SCOPE_SHIELD */
  uint32_t cancelled;  /* atomic */
  int64_t deadline;    /* VERVET_NEVER: none. May be changed by the flow itself at any time. */
  uint32_t fired;      /* has cut a wait */
  struct vervet_scope* outer; /* ours */
  void* sleeper;       /* ours; atomic */
  void (*raise)(struct vervet_scope*); /* what vervet_take_cut()'s caller does: throw, for one */
} vervet_scope;

#define VERVET_SCOPE_SHIELD 1u /* while it is entered, scopes outside of it, and kills, wait */

/* Nest like blocks: the flow leaves the scope that it entered last. */
VERVET_API void vervet_scope_enter(vervet_scope* scope);
VERVET_API void vervet_scope_leave(vervet_scope* scope);

/* Cuts the flow's wait, or its next one. Any thread, as long as the flow does not leave the scope. */
VERVET_API void vervet_scope_cancel(vervet_scope* scope);

/* After a wait returned ECANCELED: the innermost scope that is due, now spent; null for a kill
 * (vervet_kill()). `due` (may be null) receives whether anything was due at all. */
VERVET_API vervet_scope* vervet_take_cut(int* due);

/* ---- Fibers --------------------------------------------------------------------------------- */

/* The calling fiber's handle, not counted: valid while it runs. Null in a flow of no fiber. */
VERVET_API vervet_fiber* vervet_current(void);
/* One more share of a handle. */
VERVET_API void vervet_retain(vervet_fiber* fiber);

/* The calling flow's one pointer for locals, null at first. It belongs to the flow, not to its
 * thread; nobody frees what it points to. The place is valid until the flow next spawns or waits: ask again. */
VERVET_API void** vervet_local_slot(void);

/* ---- Descriptors ---------------------------------------------------------------------------- */

/* What to wait for at a descriptor, and what has happened there: there is something to read. */
#define VERVET_READABLE 1u
/* The same: there is room. */
#define VERVET_WRITABLE 4u

/* Waits until `fd` is readable or writable (one of them), or has failed or been hung up.
 * Any number of flows may wait for one descriptor; all are woken, as by poll().
 * Returns 0; ETIMEDOUT; ECANCELED; EBADF (bad, or closed with vervet_close() meanwhile); EPERM (not
 * pollable: it is always ready). */
VERVET_API int vervet_wait_fd(int fd, unsigned events, int64_t deadline);

/* Runs `attempt(argument)`, a system call on a non-blocking `fd` that returns -1 and errno, until it
 * fails otherwise than by EAGAIN; waits in between, and before it if `fd` is known not to be ready.
 * The descriptor must have been adopted (vervet_adopt_fd()), for its readiness is remembered.
 *
 * `events`   VERVET_READABLE or VERVET_WRITABLE: what to wait for.
 * `wanted`   how many bytes the attempt asks for if `fd` is a stream: less is taken as a sign that
 *            there is no more. 0: no such sign.
 * Returns 0 and the attempt's result, or -1 and its error in *result; or ETIMEDOUT, ECANCELED, EBADF. */
typedef struct vervet_io_result {
  ssize_t value; /* what attempt() returned; -1 */
  int error;     /* its errno then */
} vervet_io_result;
VERVET_API int vervet_io(int fd, unsigned events, ssize_t (*attempt)(void*), void* argument,
                         size_t wanted, int64_t deadline, vervet_io_result* result);

/* Tells that `fd` is new, is to be non-blocking (which the first form sees to), and will be closed with vervet_close()
 * alone: what vervet_io() needs. 0 or an error number. */
VERVET_API int vervet_adopt_fd(int fd);
VERVET_API int vervet_adopt_nonblocking_fd(int fd);

/* Closes `fd` and wakes whoever waits for it, with EBADF. 0 or an error number. */
VERVET_API int vervet_close(int fd);

/* ---- Hubs ----------------------------------------------------------------------------------- */

/* The hub of the calling thread's light fibers, for other threads to spawn on
 * (vervet_spawn_options.hub). What they spawn runs when the thread waits. Counted: release it. Null if memory is
 * short. */
typedef struct vervet_hub vervet_hub;
VERVET_API vervet_hub* vervet_hub_here(void);
VERVET_API void vervet_hub_retain(vervet_hub* hub);
VERVET_API void vervet_hub_release(vervet_hub* hub);

/* A watcher calls back on the hub that started it, in a fiber of its own, so that the callback may
 * wait. The caller's memory, until it is stopped or, if it fires once, has fired. */
typedef struct vervet_watcher {
  void (*callback)(struct vervet_watcher*, unsigned events); /* what has happened; 0: the deadline */
  int fd;            /* -1: a timer alone */
  unsigned events;   /* VERVET_READABLE | VERVET_WRITABLE */
  int64_t deadline;  /* VERVET_NEVER: none. When it passes the callback gets events 0. */
  void* ours[24];    /* the runtime's */
} vervet_watcher;

/* Starts it: one callback, at the first event or the deadline, then it is stopped. 0, EBADF, EPERM, EAGAIN. */
VERVET_API int vervet_watcher_start(vervet_watcher* watcher);
/* Afterwards the callback is not begun any more. On the watcher's thread. */
VERVET_API void vervet_watcher_stop(vervet_watcher* watcher);

/* As vervet_io() on the descriptor that stands in the watcher, for one of its two events, by who does not
 * wait there: where vervet_io() would, the watcher is started, and EINPROGRESS returned; its callback is to
 * call this again. The watcher is zeroed before the first call. EBADF also if `fd` was closed meanwhile. */
VERVET_API int vervet_io_start(vervet_watcher* watcher, ssize_t (*attempt)(void*), void* argument,
                               size_t wanted, vervet_io_result* result);

/* Has the hub call back soon. Any thread; the watcher is not started, only its callback used. It
 * must not be posted again before the callback has begun. 0, or ESRCH if the hub's thread has ended. */
VERVET_API int vervet_hub_post(vervet_hub* hub, vervet_watcher* watcher);

/* ---- For bindings of languages with exceptions ---------------------------------------------- */

/* Registers the function that returns the calling thread's exception state (C++:
 * __cxa_get_globals), so that the 16 bytes there follow each light fiber. Idempotent; at most four
 * different ones. */
VERVET_API void vervet_register_exception_globals(void* (*get)(void));

/* Writes one line to stderr: the calling fiber ended with the uncaught exception `what`. */
VERVET_API void vervet_report_uncaught(const char* what);

/* ---- Thread pools --------------------------------------------------------------------------- */

/* Native kernel threads for what blocks. A null pool means the one that vervet_offload() uses. A
 * forked child starts without threads, and without the jobs that had not ended. */
typedef struct vervet_thread_pool vervet_thread_pool;

/* What a pool runs: run(job) on one of its threads, where all signals are blocked. The caller's
 * memory, until run() is called: the pool does not touch it afterwards. Fill in run; the rest is
 * ours. */
typedef struct vervet_job {
  void (*run)(struct vervet_job*); /* called on the pool's thread */
  struct vervet_job* next;         /* ours, as what follows */
  struct vervet_job* previous;     /* ours */
  void* submitter;                 /* ours */
  uint32_t queued;                 /* ours */
} vervet_job;

/* A pool of up to `threads` threads (0: four for each CPU, eight at least), made when needed; one
 * that was idle for `idle` nanoseconds ends (0: five seconds). Up to `queued` jobs wait for a
 * thread without their submitters waiting. 0, ENOMEM, EINVAL. */
VERVET_API int vervet_thread_pool_make(vervet_thread_pool** pool, unsigned threads, size_t queued,
                                       int64_t idle);

/* Waits until all jobs have run, then frees the pool. Nothing cuts that short. Not from a job of
 * the pool itself: ends the process. */
VERVET_API void vervet_thread_pool_free(vervet_thread_pool* pool);

/* Has a thread of the pool run the job: first in, first out. If all threads are busy and the
 * queue is full, waits for room. 0; ETIMEDOUT, ECANCELED, EDEADLK (see vervet_park(); the job is
 * not run); EAGAIN (no thread). */
VERVET_API int vervet_thread_pool_submit(vervet_thread_pool* pool, vervet_job* job,
                                         int64_t deadline);

/* Takes the job back. 1, or 0 if it has begun or ended. REQUIRES: its memory is still there. */
VERVET_API int vervet_thread_pool_withdraw(vervet_thread_pool* pool, vervet_job* job);

/* Runs function(argument) there and waits for it, as vervet_offload() does; at once and here if the
 * caller is a thread of the pool (of any, if `pool` is null). */
VERVET_API int vervet_thread_pool_apply(vervet_thread_pool* pool, void* (*function)(void*),
                                        void* argument, void** result);

/* Waits until the pool has nothing to do. 0; or as vervet_park(). */
VERVET_API int vervet_thread_pool_join(vervet_thread_pool* pool, int64_t deadline);

/* The pool that the calling thread belongs to; null elsewhere. */
VERVET_API vervet_thread_pool* vervet_thread_pool_here(void);

/* ---- Coroutines ----------------------------------------------------------------------------- */

/* A stack of its own that runs a body piece by piece: each resume goes on until the body's next
 * suspend. The body runs as the flow that resumes it: what it waits for parks that fiber, it has
 * its locals, and scopes of both hold; scopes that the body has entered hold for the body alone.
 * Several flows, also of several threads, may resume one after the other; then the body must not
 * keep the address of a thread_local variable (errno is one) across a suspend, and the compiler
 * may do so within a function. */
typedef struct vervet_coroutine vervet_coroutine;

/* `stack_size` as in vervet_spawn_options; 0: 64 KiB. 0, EINVAL, EAGAIN (no memory). No exception
 * may leave the body, nor pthread_exit() end it. */
VERVET_API int vervet_coroutine_make(vervet_coroutine** coroutine, size_t stack_size,
                                     void (*body)(void*), void* argument);

/* Runs the body until it suspends or returns. 0; EBUSY (it is running already); ESRCH (ended). */
VERVET_API int vervet_coroutine_resume(vervet_coroutine* coroutine);

/* By the body, at any depth of calls: returns to the resumer, and here at the next resume. 0; EPERM
 * if the caller is not the flow that runs the body. */
VERVET_API int vervet_coroutine_suspend(vervet_coroutine* coroutine);

/* 1 if the body has returned. */
VERVET_API int vervet_coroutine_has_ended(const vervet_coroutine* coroutine);

/* Frees the stack; nothing on it is unwound. Null is passed over. 0; EBUSY if the body runs. */
VERVET_API int vervet_coroutine_free(vervet_coroutine* coroutine);

#ifdef __cplusplus
}
#endif

#endif
