#!/bin/bash
# microsocks: a SOCKS5 proxy, one pthread a connection with a small stack, poll + read + write.
. "$(dirname "$0")/common.sh"
need microsocks microsocks

one_round() {
  local port origin
  port=$(free_port)
  origin=$(free_port)
  helper "$python" "$here/load.py" origin --port "$origin"
  wait_port "$origin"
  launch server microsocks -i 127.0.0.1 -p "$port"
  wait_port "$port"
  load http --via socks5 --port "$port" --origin "$origin" --clients 100
  # Once more: its threads are joined and their stacks reused between the two.
  load http --via socks5 --port "$port" --origin "$origin" --clients 100 --turns 3 --size 2000 \
    --pause 0 --path '/data/{size}/{seed}'
  helper "$python" "$here/load.py" linger --port "$port" --clients 20 --half "" --ready "$dir/ready"
  wait_until 5 test -e "$dir/ready" || fail "no lingering connections"
  stop server
  few_threads 100
  report "$figures threads=$threads end='$end'"
}

each_mode one_round
