#!/bin/bash
# wget: has no threads, gains nothing, must work: a list over one connection, a tree.
. "$(dirname "$0")/common.sh"
need wget wget

mkdir -p "$work/site/a/b"
for index in $(seq 20); do
  head -c $((index * 7000)) /dev/urandom >"$work/site/a/$index.bin"
  cp "$work/site/a/$index.bin" "$work/site/a/b/again$index.bin"
done

one_round() {
  local port index site
  port=$(free_port)
  site=$(free_port)
  helper "$python" "$here/load.py" origin --port "$port"
  helper "$python" -m http.server "$site" --bind 127.0.0.1 --directory "$work/site"
  wait_port "$port"
  wait_port "$site"

  for index in $(seq 20); do echo "http://127.0.0.1:$port/data/100000/$index"; done >"$dir/list"
  mkdir "$dir/got"
  run list wget -q -i "$dir/list" -P "$dir/got"
  dormant
  for index in $(seq 20); do
    body 100000 "$index" | cmp - "$dir/got/$index" || fail "wrong bytes of file $index"
  done

  run slow wget -q "http://127.0.0.1:$port/slow/300000/s" -O "$dir/slow.body"
  body 300000 s | cmp - "$dir/slow.body" || fail "wrong bytes"
  run tree wget -q -r -np -nH --reject 'index.html*' -P "$dir/tree" "http://127.0.0.1:$site/"
  diff -r "$work/site" "$dir/tree" >"$dir/diff.out" || fail "the tree differs"
  run_to "exit 8" missing wget -q "http://127.0.0.1:$port/nothing" -O -
  run_to "exit 4" refused wget -q --tries=1 "http://127.0.0.1:$(free_port)/" -O -
  dormant
  report "threads=$threads"
}

each_mode one_round
