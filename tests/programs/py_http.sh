#!/bin/bash
# python3 -m http.server: a thread per connection, sends that block on slow readers; ended by
# SIGTERM and, in a second run, by Ctrl-C, while connections are open.
. "$(dirname "$0")/common.sh"
need "$python" python3

mkdir "$work/files"
for digit in 0 1 2 3 4 5 6 7 8 9; do
  head -c $((600000 + digit)) /dev/urandom >"$work/files/$digit"
done

serve() {
  launch "$1" "$python" -u -m http.server "$2" --bind 127.0.0.1 --directory "$work/files"
  wait_port "$2"
}

one_round() {
  local port
  port=$(free_port)
  serve server "$port"
  # http.server listens with a backlog of 5.
  load http --port "$port" --clients 200 --backlog 3 --path '/{digit}' --files "$work/files"
  helper "$python" "$here/load.py" linger --port "$port" --clients 20 --backlog 3 \
    --ready "$dir/ready"
  wait_until 5 test -e "$dir/ready" || fail "no lingering connections"
  stop server
  few_threads 200
  local figure="$figures threads=$threads end='$end'"

  port=$(free_port)
  serve interrupted "$port"
  load http --port "$port" --clients 5 --path '/{digit}' --files "$work/files"
  stop interrupted INT
  as_native "interrupted.out" "$(tail -n 2 "$dir/interrupted.out")"
  report "$figure interrupted='$end'"
}

each_mode one_round
