#!/bin/bash
# curl: gains nothing, must work: one transfer, forty that the server answers only together, its
# resolver thread, and what fails.
. "$(dirname "$0")/common.sh"
need curl curl

one_round() {
  local port url index
  port=$(free_port)
  url=http://127.0.0.1:$port
  helper "$python" "$here/load.py" origin --port "$port"
  wait_port "$port"

  run slow curl -sS "$url/slow/500000/a" -o "$dir/slow.body"
  dormant
  body 500000 a | cmp - "$dir/slow.body" || fail "wrong bytes"
  run pipe curl -sS "$url/data/3000000/b" "$url/data/3000000/c"
  { body 3000000 b && body 3000000 c; } | cmp - "$dir/pipe.out" || fail "wrong bytes to stdout"

  for index in $(seq 40); do
    printf 'url = "%s/meet/40/20000/%s"\noutput = "%s/meet.%s"\n' \
      "$url" "$index" "$dir" "$index"
  done >"$dir/list"
  run parallel curl -sS --no-progress-meter --parallel --parallel-immediate --parallel-max 40 \
    -K "$dir/list"
  few_threads 1
  for index in $(seq 40); do
    body 20000 "$index" | cmp - "$dir/meet.$index" || fail "wrong bytes of transfer $index"
  done

  # The name is resolved on a thread of its own; where DNS does not answer, not for long.
  RES_OPTIONS="timeout:1 attempts:1" run_to "exit 6" resolve curl -sS http://vervet.invalid/
  few_threads 1
  local figure="while resolving: threads=$threads"
  output_as_native resolve
  run_to "exit 7" refused curl -sS "http://127.0.0.1:$(free_port)/"
  run_to "exit 22" missing curl -sS --fail "$url/nothing"
  output_as_native missing
  run_to "exit 28" late curl -sS --max-time 0.3 "$url/meet/2/10/x"
  report "$figure"
}

each_mode one_round
