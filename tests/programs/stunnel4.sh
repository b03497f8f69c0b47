#!/bin/bash
# stunnel: ends TLS for others, one pthread a connection, poll, OpenSSL's locks and thread state.
. "$(dirname "$0")/common.sh"
need stunnel4 stunnel4
need openssl openssl

openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/key.pem" -out "$work/cert.pem" -days 30 \
  -subj /CN=localhost 2>/dev/null || fail "no certificate"

one_round() {
  local port origin
  port=$(free_port)
  origin=$(free_port)
  helper "$python" "$here/load.py" origin --port "$origin"
  wait_port "$origin"
  cat >"$dir/conf" <<CONF
foreground = yes
pid =
debug = notice
[tunnel]
accept = 127.0.0.1:$port
connect = 127.0.0.1:$origin
cert = $work/cert.pem
key = $work/key.pem
CONF
  launch server stunnel4 "$dir/conf"
  wait_port "$port"
  load http --tls "$work/cert.pem" --port "$port" --clients 60 --size 900000 \
    --stagger 0.005
  helper "$python" "$here/load.py" linger --port "$port" --clients 10 --half "" --ready "$dir/ready"
  wait_until 5 test -e "$dir/ready" || fail "no lingering connections"
  stop server
  # One more than usual: a spare one is seen beside a thread that is being made.
  few_threads 60 1
  tail -n 1 "$dir/server.err" | grep -q Terminated || fail "it did not shut down in order"
  report "$figures threads=$threads end='$end'"
}

each_mode one_round
