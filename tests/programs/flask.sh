#!/bin/bash
# A threaded Flask server that streams for about a second, and a ThreadPoolExecutor client; both
# are run in the mode. 2 and 100 concurrent requests take about one second, not 2 and 100.
. "$(dirname "$0")/common.sh"
need "$python" python3
"$python" -c 'import flask' 2>/dev/null || skip "flask is missing (package python3-flask)"

# ask COUNT PORT: sets took.
ask() {
  run "client$1" "$python" "$here/flask_client.py" "$2" "$1"
  few_threads $(($1 + 1))
  [ "$(cat "$dir/client$1.out")" = "$1 of $1" ] || fail "right answers: $(cat "$dir/client$1.out")"
  took=$(cat "$dir/client$1.err")
  awk -v took="$took" 'BEGIN { exit !(took >= 0.85 && took < 2.5) }' ||
    fail "$1 requests took '$took' seconds"
}

one_round() {
  local port took figures
  port=$(free_port)
  launch server "$python" "$here/flask_server.py" "$port"
  wait_port "$port"
  ask 2 "$port"
  figures="2 requests: $took s, $threads client threads;"
  ask 100 "$port"
  figures+=" 100 requests: $took s, $threads client threads;"
  stop server
  few_threads 100
  report "$figures $threads server threads"
}

each_mode one_round
