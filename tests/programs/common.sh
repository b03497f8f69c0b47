# Sourced by every test here; not a test itself.
#
# A test runs one real program in several modes: `native`, and under vervet with a number of
# workers. It defines a function that does one round and ends with `each_mode function`. The native
# round comes first and is the oracle: it shows that the load is concurrent, and what it prints and
# how it ends is what the interposed rounds must repeat.
#
#   VERVET=path       the launcher, bin/vervet
#   MODE="native 2"   the modes to run; default "native 1 2"
#   KEEP=1            keep the temporary directory
#
# Exit status: 0 passed, 77 skipped (one line says why), anything else failed.
set -u

name=$(basename "$0" .sh)
here=$(cd "$(dirname "$0")" && pwd)
python=/usr/bin/python3

# A hang must fail. `timeout` signals its whole process group: what the test started goes as well.
if [ -z "${VERVET_TEST_BOUNDED:-}" ]; then
  VERVET_TEST_BOUNDED=1 exec timeout --kill-after=5 60 bash "$0" "$@"
fi
unset VERVET_TEST_BOUNDED VERVET_WORKERS VERVET_STACK_SIZE VERVET_THREADS VERVET_STATS LD_PRELOAD
export LC_ALL=C.UTF-8

work=$(mktemp -d "${TMPDIR:-/tmp}/vervet.$name.XXXXXX")
# Servers started as root may serve as somebody else.
chmod 755 "$work"
mode=native
dir=$work
declare -A supervisor=()
helpers=()

cleanup() {
  local pid
  for pid in "${supervisor[@]}"; do kill -USR1 "$pid" 2>/dev/null; done
  for pid in "${helpers[@]}"; do kill "$pid" 2>/dev/null; done
  wait
  [ -n "${KEEP:-}" ] || rm -rf "$work"
}
trap cleanup EXIT
trap 'echo "$name FAIL mode=$mode: interrupted or out of time" >&2; exit 1' TERM INT

# fail REASON: ends the test, showing the last words of the programs of this round.
fail() {
  echo "$name FAIL mode=$mode: $*" >&2
  find "$dir" -maxdepth 1 \( -name '*.err' -o -name '*.out' \) -size +0 -printf '%T@ %p\n' |
    sort -n | tail -n 4 | cut -d' ' -f2- | xargs -r tail -v -n 5 | cut -c1-200 |
    sed 's/^/  | /' >&2
  exit 1
}

skip() {
  echo "$name SKIP: $*"
  exit 77
}

# need COMMAND PACKAGE
need() { command -v "$1" >/dev/null || skip "$1 is missing (package $2)"; }

# each_mode FUNCTION: one round a mode, each in a directory of its own, $dir.
each_mode() {
  local modes=${MODE:-native 1 2}
  [ "$modes" = native ] || [ -x "${VERVET:-}" ] || fail "VERVET must name bin/vervet"
  for mode in $modes; do
    dir=$work/$mode
    mkdir "$dir"
    "$1"
    stop_helpers
  done
}

native() { [ "$mode" = native ]; }

# free_port: below the ephemeral ports, so that no client of another test takes it meanwhile.
free_port() {
  "$python" - <<'PY'
import random, socket
while True:
    port = random.randrange(20000, 32000)
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            continue
    print(port)
    break
PY
}

# wait_until SECONDS COMMAND...: whether COMMAND came true in time.
wait_until() {
  local deadline=$((SECONDS + $1 + 1))
  shift
  until "$@"; do
    [ $SECONDS -lt $deadline ] || return 1
    sleep 0.02
  done
}

# listening PORT: asks the kernel, because a connection to try it would be one client more.
listening() {
  grep -qE "^ *[0-9]+: [0-9A-F]{8}:$(printf %04X "$1") 00000000:0000 0A" /proc/net/tcp
}

wait_port() { wait_until 10 listening "$1" || fail "nothing listens on port $1"; }

# helper COMMAND...: a background part of the test's own, always native.
helper() {
  "$@" >>"$dir/helper.out" 2>>"$dir/helper.err" </dev/null &
  helpers+=($!)
}

stop_helpers() {
  local pid
  for pid in "${helpers[@]}"; do
    kill "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
  done
  helpers=()
}

# load ARGS...: the load driver; it fails on the first wrong answer. Its figures are in $figures.
load() {
  figures=$(timeout --foreground 25 "$python" "$here/load.py" "$@" 2>"$dir/load.err") ||
    fail "load: $(tail -n 1 "$dir/load.err")"
}

# launch PROGRAM-NAME COMMAND...: starts the program under test in this mode.
# supervise_options, an array, is handed to supervise.py.
supervise_options=()
launch() {
  local label=$1
  shift
  native || set -- "$VERVET" --workers "$mode" "$@"
  rm -f "$dir/$label.report"
  "$python" "$here/supervise.py" --files "$dir/$label" "${supervise_options[@]}" -- "$@" &
  supervisor[$label]=$!
}

# ended PROGRAM-NAME [SECONDS]: waits for its end, then sets end, threads, peak, seconds, interposed.
ended() {
  local key value
  wait_until "${2:-20}" test -f "$dir/$1.report" || fail "$1 is still running"
  wait "${supervisor[$1]}"
  unset "supervisor[$1]"
  while IFS='=' read -r key value; do
    case $key in
      end) end=$value ;;
      threads) threads=$value ;;
      peak) peak=$value ;;
      seconds) seconds=$value ;;
      interposed) interposed=$value ;;
    esac
  done <"$dir/$1.report"
  [ "$end" != limit ] || fail "$1 hung and had to be killed"
  if native; then
    [ "$interposed" != yes ] || fail "$1 is interposed in a native run"
  else
    [ "$interposed" != no ] || fail "$1 is not interposed"
  fi
}

# running PROGRAM-NAME
running() { [ ! -f "$dir/$1.report" ]; }

# stop PROGRAM-NAME [SIGNAL]: it must still run, and end of the signal (default TERM) as natively.
stop() {
  running "$1" || fail "$1 ended on its own: $(head -n 1 "$dir/$1.report")"
  kill -"${2:-TERM}" "${supervisor[$1]}"
  ended "$1" 8
  as_native "$1.end" "$end"
}

# run PROGRAM-NAME COMMAND...: to its end, which must be exit 0.
run() { run_to "exit 0" "$@"; }

# run_to END PROGRAM-NAME COMMAND...
run_to() {
  local wanted=$1
  shift
  launch "$@"
  ended "$1"
  [ "$end" = "$wanted" ] || fail "$1: $end, not $wanted"
}

# as_native WHAT VALUE: VALUE must be what it was in the native round.
as_native() {
  local before
  native && printf '%s' "$2" >"$work/native.$1"
  [ -e "$work/native.$1" ] || return 0
  before=$(cat "$work/native.$1")
  [ "$2" = "$before" ] || fail "$1: '${2:0:200}', natively '${before:0:200}'"
}

# output_as_native PROGRAM-NAME: both of its streams.
output_as_native() {
  as_native "$1.out" "$(cat "$dir/$1.out")"
  as_native "$1.err" "$(cat "$dir/$1.err")"
}

# few_threads NATIVE-MINIMUM [STRANGERS]: of the program that ended last. The native minimum proves
# that the load was concurrent, for which one look is enough; interposed there are the workers, the monitor and one for what
# blocks, beside STRANGERS that are made past us.
few_threads() {
  if native; then
    [ "$peak" -ge "$1" ] || fail "only $peak kernel threads natively, $1 expected"
  else
    [ "$threads" -le $((mode + 2 + ${2:-0})) ] || fail "$threads kernel threads with $mode workers"
  fi
}

# dormant: few_threads for a program that has one thread natively: interposed it gets no other.
dormant() { [ "$threads" -eq 1 ] || fail "$threads kernel threads in a program without threads"; }

# body SIZE SEED: what the load's origin serves under these.
body() {
  "$python" -c 'import random, sys
sys.stdout.buffer.write(random.Random(sys.argv[2]).randbytes(int(sys.argv[1])))' "$1" "$2"
}

# report WORDS...: the line a round ends with.
report() { echo "$name ok mode=$mode $*"; }
