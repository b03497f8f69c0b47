#!/bin/bash
# pigz: compresses on a thread a block, with locks of its own made of mutex and condition; computes,
# reads a file or a pipe. Byte for byte what it writes natively.
. "$(dirname "$0")/common.sh"
need pigz pigz
need gzip gzip

"$python" - >"$work/input" <<'PY'
import random
numbers = random.Random(3)
for _ in range(600_000):
    print(numbers.randrange(100_000))
PY

repeated() { for _ in {1..16}; do cat "$1"; done; }

one_round() {
  local sum
  run compress pigz -p 32 -6 -b 64 -n -c "$work/input"
  few_threads 30
  local figure="threads=$threads seconds=$seconds"
  gzip -dc <"$dir/compress.out" | cmp -s - "$work/input" || fail "compressed to wrong bytes"
  sum=$(sha256sum <"$dir/compress.out")
  as_native compress.out "$sum"

  mkfifo "$dir/pipe"
  timeout --foreground 15 cat "$work/input" >"$dir/pipe" &
  supervise_options=(--stdin "$dir/pipe")
  run piped pigz -p 32 -6 -b 64 -n -c
  supervise_options=()
  wait $!
  as_native compress.out "$(sha256sum <"$dir/piped.out")"

  # Members one after the other are a file too: long enough to be looked at while it decompresses.
  repeated "$dir/compress.out" >"$dir/members.gz"
  run decompress pigz -dc "$dir/members.gz"
  few_threads 2
  repeated "$work/input" | cmp -s - "$dir/decompress.out" || fail "decompressed to wrong bytes"
  report "$figure, decompressing: threads=$threads"
}

each_mode one_round
