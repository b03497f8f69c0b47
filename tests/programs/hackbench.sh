#!/bin/bash
# hackbench -T: groups of 20 writers and 20 readers, over socket pairs and over pipes; blocking
# reads and writes, a poll as the starting gate.
. "$(dirname "$0")/common.sh"
need hackbench rt-tests

groups=5

one_round() {
  run sockets hackbench -T -g $groups -f 20 -l 200 -s 100
  few_threads $((groups * 20))
  local figure="sockets: $threads threads"
  grep -q '^Time: ' "$dir/sockets.out" || fail "no time: $(cat "$dir/sockets.out")"
  run pipes hackbench -T -p -g $groups -f 20 -l 200 -s 100
  few_threads $((groups * 20))
  grep -q '^Time: ' "$dir/pipes.out" || fail "no time: $(cat "$dir/pipes.out")"
  report "$figure $(awk '/^Time/ { print $2 }' "$dir/sockets.out") s;" \
    "pipes: $threads threads $(awk '/^Time/ { print $2 }' "$dir/pipes.out") s"
}

each_mode one_round
