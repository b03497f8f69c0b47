#!/bin/bash
# redis-server with redis-benchmark, both in the mode: an event loop, jemalloc, a few background
# threads, fork for BGSAVE; ended by SIGTERM, then started again from what it wrote.
. "$(dirname "$0")/common.sh"
need redis-server redis-server
need redis-benchmark redis-tools

cli() { timeout --foreground 5 redis-cli -p "$port" "$@"; }

start() {
  launch "$1" redis-server --bind 127.0.0.1 --port "$port" --dir "$dir/data" --save "" \
    --appendonly yes --daemonize no
  wait_port "$port"
  wait_until 5 answers || fail "no PONG"
}

answers() { [ "$(cli ping 2>/dev/null)" = PONG ]; }
saved() { cli info persistence | grep -q 'rdb_bgsave_in_progress:0'; }

# benchmark NAME WANTED-THREADS ARGS...
benchmark() {
  local label=$1 natively=$2
  shift 2
  run "$label" redis-benchmark -p "$port" -q "$@"
  few_threads "$natively"
  ! grep -iE 'error|refused' "$dir/$label.out" "$dir/$label.err" || fail "$label"
}

one_round() {
  local port value
  port=$(free_port)
  mkdir "$dir/data"
  start server
  benchmark several 1 -c 50 -n 5000 -t set,get,lpush,lrange_100
  benchmark threaded 3 -c 50 -n 20000 -t incr --threads 3
  benchmark pipelined 1 -c 20 -n 20000 -P 16 -t sadd,hset -r 1000

  value=$(cli get "counter:__rand_int__")
  [ "$value" = 20000 ] || fail "counted '$value', not 20000"
  # A list of 5,000 is freed by a background thread.
  cli unlink mylist >/dev/null
  cli set big "$(head -c 20000 /dev/zero | tr '\0' x)" >/dev/null
  cli bgsave >/dev/null
  wait_until 5 saved || fail "BGSAVE did not end"
  cli info persistence | grep -q 'rdb_last_bgsave_status:ok' || fail "BGSAVE failed"
  [ -s "$dir/data/dump.rdb" ] || fail "BGSAVE wrote nothing"
  stop server
  # Its allocator looks libc's pthread_create up itself, for two threads of its own.
  few_threads 4 2
  local figure="threads=$threads end='$end'"
  grep -q 'ready to exit, bye bye' "$dir/server.out" || fail "it did not shut down in order"

  start again
  value=$(cli get "counter:__rand_int__")
  [ "$value" = 20000 ] || fail "'$value' after a restart, not 20000"
  [ "$(cli strlen big)" = 20000 ] || fail "a value is lost after a restart"
  stop again
  report "$figure"
}

each_mode one_round
