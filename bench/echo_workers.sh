#!/usr/bin/env bash
# What a second worker gives the echo server of examples/, when the load generator is not what limits
# it: each request is 64 KiB, which the server moves in 16 reads and 16 writes, the generator in one or
# two; so the server needs several times the generator's CPU time. Both are printed: with one worker the
# server has a CPU to itself and uses all of it, while the generator is idle for part of the time.
# Usage: bench/echo_workers.sh [build directory]
#   CONNECTIONS=100   ROUNDS=3   SECONDS_A_ROUND=3
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
build=${1:-$here/build/release}
connections=${CONNECTIONS:-100}
rounds=${ROUNDS:-3}
seconds=${SECONDS_A_ROUND:-3}
modes=(native 1 2)
ticks=$(getconf CLK_TCK)

[ -x "$build/bin/vervet" ] || { echo "there is no build in '$build'" >&2; exit 2; }
work=$(mktemp -d "${TMPDIR:-/tmp}/vervet.echo.XXXXXX")
server=
cleanup() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM
ulimit -n "$(ulimit -Hn)"

cpu_ticks() { awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$1/stat"; }

# One measurement: requests a second, CPUs that the server used, CPUs that the generator used.
measure() {
  local mode=$1 launcher=() port before began
  [ "$mode" = native ] || launcher=("$build/bin/vervet" --workers "$mode")
  "${launcher[@]}" "$build/examples/echo_server" >"$work/server" &
  server=$!
  until port=$(sed -n 's/listening on port //p' "$work/server") && [ -n "$port" ]; do sleep 0.02; done
  TIMEFORMAT='%U %S %R'
  before=$(cpu_ticks "$server")
  { time "$build/examples/echo_load" --connections "$connections" --size 65536 --check-every 20 \
    --seconds "$seconds" "$port" >"$work/load"; } 2>"$work/time"
  read -r user system wall <"$work/time"
  awk -v t=$(($(cpu_ticks "$server") - before)) -v hz="$ticks" -v u="$user" -v s="$system" \
    -v w="$wall" -v r="$(sed -n 's/.*requests_per_second=//p' "$work/load")" \
    'BEGIN { printf "%.0f %.2f %.2f\n", r, t / hz / w, (u + s) / w }'
  kill "$server"
  wait "$server" 2>/dev/null || true
  server=
}

for round in $(seq "$rounds"); do
  for mode in "${modes[@]}"; do
    [ ! -t 2 ] || printf '\r\033[Kround %s of %s, %s' "$round" "$rounds" "$mode" >&2
    measure "$mode" >>"$work/$mode"
  done
done
[ ! -t 2 ] || printf '\r\033[K' >&2

# The median round of each.
printf '%-10s %12s %14s %18s\n' workers requests/s 'server, CPUs' 'generator, CPUs'
for mode in "${modes[@]}"; do
  sort -n "$work/$mode" | awk -v m="$mode" -v n=$(((rounds + 1) / 2)) \
    'NR == n { printf "%-10s %12s %14s %18s\n", m, $1, $2, $3 }' | tee -a "$work/table"
done
awk '{ r[$1] = $2 } END { printf "2 workers to 1: %.2f   2 workers to native: %.2f\n", r[2] / r[1], r[2] / r["native"] }' \
  "$work/table"
