#!/bin/bash
# tinyproxy: an HTTP proxy, one pthread a connection; 100 slow transfers at once. SIGTERM interrupts
# its accept loop, which then signals the threads that are left with pthread_kill.
. "$(dirname "$0")/common.sh"
need tinyproxy tinyproxy-bin

one_round() {
  local port origin
  port=$(free_port)
  origin=$(free_port)
  helper "$python" "$here/load.py" origin --port "$origin"
  wait_port "$origin"
  cat >"$dir/conf" <<CONF
Port $port
Listen 127.0.0.1
Timeout 30
MaxClients 300
LogFile "$dir/log"
LogLevel Connect
CONF
  launch server tinyproxy -d -c "$dir/conf"
  wait_port "$port"
  load http --via proxy --port "$port" --origin "$origin" --clients 100
  helper "$python" "$here/load.py" linger --port "$port" --clients 20 --ready "$dir/ready"
  wait_until 5 test -e "$dir/ready" || fail "no lingering connections"
  stop server
  few_threads 100
  grep -q 'Shutting down' "$dir/log" || fail "it did not shut down in order"
  # A pthread_kill made their read return EINTR, which tinyproxy reports as this.
  local interrupted
  interrupted=$(grep -c 'closed socket before read' "$dir/log")
  [ "$interrupted" -ge 10 ] || fail "only $interrupted of 20 threads were interrupted"
  report "$figures threads=$threads end='$end'"
}

each_mode one_round
