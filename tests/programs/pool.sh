#!/bin/bash
# ThreadPoolExecutor(200): sleeps, sockets, locks, conditions, semaphores, timeouts. Each thread
# meets all others at a barrier, then makes one more thread to talk to.
. "$(dirname "$0")/common.sh"
need "$python" python3

one_round() {
  run pool "$python" "$here/pool.py"
  few_threads 201
  grep -q '^answers 1000 from 200$' "$dir/pool.out" || fail "$(cat "$dir/pool.out")"
  as_native pool.out "$(cat "$dir/pool.out")"
  report "seconds=$(cat "$dir/pool.err") threads=$threads"
}

each_mode one_round
