# What examples/run is made of. Sourced; uses its variables here, work, build_dir and seconds.
# shellcheck shell=bash disable=SC2154

refuse() { echo "examples/run: $*" >&2; exit 2; }

fail() {
  local log
  echo "examples/run: FAILED: $*" >&2
  for log in "$work"/*.log; do
    [[ -s $log ]] && { echo "  last lines of ${log##*/}:"; tail -n 5 "$log" | sed 's/^/    /'; } >&2
  done
  exit 1
}

step() { printf '%(%H:%M:%S)T %s\n' -1 "$*"; }

check_number() {
  if [[ ! $2 =~ ^[1-9][0-9]{0,8}$ ]] || (($2 < $3 || $2 > $4)); then
    refuse "$1: '$2' is not a number from $3 to $4"
  fi
}

calculate() { awk "BEGIN { printf \"$2\", $1 }"; }
larger() { echo $(($1 > $2 ? $1 : $2)); }

# at_most 'what it is' value limit
at_most() {
  [[ $(calculate "$2 <= $3" %d) == 1 ]] || fail "$1: $2, more than $3"
}

build() {
  local log=$work/build.log
  (
    cd "$here/.." && cmake --preset release >"$log" 2>&1 &&
      cmake --build --preset release -j "$(nproc)" \
        --target vervet_cli vervet_preload echo_server echo_load 2>&1 | tee -a "$log" |
        if [[ -t 1 ]]; then grep --line-buffered '%'; else cat >/dev/null; fi
    [[ ${PIPESTATUS[0]} == 0 ]]
  ) && [[ -x $here/../build/release/bin/vervet ]]
}

# Both ends of every connection are on this machine, each in a process of its own.
raise_descriptor_limit() {
  local needed=$(($1 + 256))
  (($(ulimit -n) < needed)) || return 0
  ulimit -n "$needed" 2>/dev/null ||
    refuse "$1 connections need $needed descriptors; ulimit -Hn permits $(ulimit -Hn)"
}

# --- processes ---------------------------------------------------------------------------------

started=()

# start variable log command...: runs it in the background, its id in the variable.
start() {
  local -n id=$1
  local log=$2
  shift 2
  : >"$log"  # there to be searched before the process has started
  "$@" >"$log" 2>&1 </dev/null &
  id=$!
  started+=("$id")
}

# Ends a process and waits for it; one that does not mind SIGTERM is killed.
stop() {
  kill "$1" 2>/dev/null || return 0
  local tries
  for ((tries = 0; tries < 100; tries++)); do
    kill -0 "$1" 2>/dev/null || return 0
    sleep 0.05
  done
  kill -KILL "$1" 2>/dev/null
}

clean_up() {
  local id
  for id in "${started[@]}"; do
    kill -KILL "$id" 2>/dev/null
  done
  wait 2>/dev/null
  rm -rf "$work"
}

# wait_for_end pid seconds: its exit status, or failure if it takes longer.
wait_for_end() {
  local tries
  for ((tries = 0; tries < $2 * 20; tries++)); do
    kill -0 "$1" 2>/dev/null || { wait "$1"; return; }
    sleep 0.05
  done
  fail "process $1 did not end within $2 s"
}

# wait_for_line pid log pattern
wait_for_line() {
  local tries
  for ((tries = 0; tries < 300; tries++)); do
    grep -q "$3" "$2" && return
    kill -0 "$1" 2>/dev/null || fail "the server ended: $(tail -n 1 "$2")"
    sleep 0.05
  done
  fail "the server did not say '$3' within 15 s"
}

# --- what a process costs ----------------------------------------------------------------------

# status_of pid field: a number from /proc/pid/status; fails once the process has ended.
status_of() {
  local key value rest
  while read -r key value rest; do
    [[ $key == "$2:" ]] && { echo "$value"; return; }
  done 2>/dev/null <"/proc/$1/status"
  return 1
}

# Resident set, page tables and kernel stacks (16 KiB a thread on x86-64), in KiB.
memory_of() {
  echo $(($(status_of "$1" VmRSS) + $(status_of "$1" VmPTE) + 16 * $(status_of "$1" Threads)))
}

# watch_threads pid file: keeps the largest number of kernel threads seen in the file.
watch_threads() {
  (
    peak=0
    while now=$(status_of "$1" Threads); do
      ((now <= peak)) || { peak=$now; echo "$peak" >"$2"; }
      sleep 0.05
    done
  ) 2>/dev/null &
  started+=($!)
}

# --- the driver: a process that obeys lines on its stdin ----------------------------------------

start_driver() {
  coproc driver { exec "$build_dir/examples/echo_load" "$1" --connections "$2"; }
  driver_id=$driver_PID
  exec {driver_out}<&"${driver[0]}" {driver_in}>&"${driver[1]}"
  exec {driver[0]}<&- {driver[1]}>&-
  started+=("$driver_id")
}

# The value of a key in the driver's next line; the driver gives up by itself before the timeout.
expect_answer() {
  local line
  read -r -t $((seconds + 120)) -u "$driver_out" line || return 1
  [[ " $line" =~ \ $1=([0-9.]+) ]] && echo "${BASH_REMATCH[1]}"
}

ask_driver() {
  echo "$1" >&"$driver_in"
  expect_answer "$2"
}

end_driver() {
  exec {driver_in}>&-
  wait_for_end "$driver_id" 60 || fail "the driver found something wrong"
  exec {driver_out}<&-
}

# --- counting system calls ----------------------------------------------------------------------

perf_can_count() {
  perf stat -x, -e raw_syscalls:sys_enter -o "$work/perf.try" true 2>/dev/null &&
    grep -qE '^[0-9]+,.*raw_syscalls' "$work/perf.try"
}

# perf opens its counters switched off, which takes a while for thousands of threads; then it is
# told when to count.
start_counting() {
  local reply
  rm -f "$work/perf.control" "$work/perf.reply"
  mkfifo "$work/perf.control" "$work/perf.reply"
  exec {perf_control}<>"$work/perf.control" {perf_reply}<>"$work/perf.reply"
  start perf_id "$work/perf.log" perf stat -x, -e raw_syscalls:sys_enter -D -1 \
    --control="fifo:$work/perf.control,$work/perf.reply" -o "$work/perf.count" -p "$1"
  echo enable >&"$perf_control"
  read -r -t 30 -u "$perf_reply" reply && return
  stop "$perf_id"
  return 1
}

# Sets counted to the number of system calls since; to nothing if perf did not count.
stop_counting() {
  local reply
  echo disable >&"$perf_control"
  read -r -t 30 -u "$perf_reply" reply
  kill -INT "$perf_id"
  wait_for_end "$perf_id" 60
  exec {perf_control}>&- {perf_reply}>&-
  counted=$(sed -nE 's/^([0-9]+),.*raw_syscalls.*/\1/p' "$work/perf.count")
}
