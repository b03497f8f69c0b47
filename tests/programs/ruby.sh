#!/bin/bash
# A Ruby thread-per-connection server, 200 threads: GVL, Mutex, Queue, sleep, sockets; ended by
# SIGTERM, which Ruby turns into an exception in its main thread.
. "$(dirname "$0")/common.sh"
need ruby ruby

one_round() {
  local port total
  port=$(free_port)
  launch server ruby "$here/ruby_server.rb" "$port"
  wait_port "$port"
  load lines --port "$port" --clients 200 --turns 5
  exec 5<>"/dev/tcp/127.0.0.1/$port"
  echo total >&5
  read -r -t 5 total <&5
  [ "$total" = 1000 ] || fail "the server counted '$total' questions, not 1000"
  helper "$python" "$here/load.py" linger --port "$port" --clients 20 --half "square " \
    --ready "$dir/ready"
  wait_until 5 test -e "$dir/ready" || fail "no lingering connections"
  stop server
  exec 5>&-
  few_threads 200
  report "$figures threads=$threads end='$end'"
}

each_mode one_round
