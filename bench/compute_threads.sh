#!/usr/bin/env bash
# Four compute-only threads, natively and under vervet with 2 workers in turn: prints the wall time
# of each pair, the ratio of the medians, and fails if it is over the limit.
# Usage: bench/compute_threads.sh [build directory]
#   ROUNDS=5  MILLIONS=600 (rounds of arithmetic a thread)  WORKERS=2  LIMIT=1.1
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
build=${1:-$here/build/release}
program=$build/tests/interpose/liveness/compute_threads
rounds=${ROUNDS:-5} millions=${MILLIONS:-600} workers=${WORKERS:-2} limit=${LIMIT:-1.1}

# seconds COMMAND...: its wall time. Its output has to be that of the first run.
answer=
seconds() {
  local began=$EPOCHREALTIME output
  output=$("$@")
  elapsed=$(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }')
  answer=${answer:-$output}
  [[ $output == "$answer" ]] || { echo "wrong result: $output" >&2; exit 1; }
}

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

native=() green=()
for ((round = 0; round < rounds; round++)); do
  seconds "$program" "$millions"
  native+=("$elapsed")
  seconds timeout 300 "$build/bin/vervet" --workers "$workers" "$program" "$millions"
  green+=("$elapsed")
  printf 'native %.3f s, vervet %.3f s\n' "${native[-1]}" "${green[-1]}"
done
awk -v n="$(printf '%s\n' "${native[@]}" | median)" -v g="$(printf '%s\n' "${green[@]}" | median)" \
  -v limit="$limit" 'BEGIN {
    printf "medians: native %.3f s, vervet %.3f s: %.3f of native (limit %s)\n", n, g, g / n, limit
    exit g / n > limit }'
