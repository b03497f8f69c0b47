#!/usr/bin/env bash
# Short-lived threads, natively and under vervet in turn: prints ns per thread and the ratio.
# Usage: bench/short_threads.sh [build directory]
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
build=${1:-$here/build/release}
program=$build/bin/short_threads
for round in 1 2 3 4 5; do
  native=$("$program" 20000)
  green=$("$build/bin/vervet" --workers 1 "$program" 20000)
  awk -v n="$native" -v g="$green" 'BEGIN {
    printf "native %d ns, vervet %d ns: %.3f of native\n", n, g, g / n }'
done
