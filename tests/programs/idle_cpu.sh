#!/bin/bash
# An idle process is idle: 10,000 connections on which nothing comes and 10,000 sleeping threads
# take no processor time in 5 s and make no system call; with one thread that sleeps 500 ms at a
# time, nothing happens but its wake-ups. Natively a tenth of them: a machine may have too few
# process ids.
#   IDLE_COUNT=10000   connections, and sleeping threads
# Three rounds of two measurements of 5 s need more than the usual minute.
[ -n "${VERVET_TEST_BOUNDED:-}" ] ||
  VERVET_TEST_BOUNDED=1 exec timeout --kill-after=5 200 bash "$0" "$@"
. "$(dirname "$0")/common.sh"
compiler=${CC:-cc}
need "$compiler" gcc

most=${IDLE_COUNT:-10000}
supervise_options=(--limit 150)
measured_seconds=5
# Going to sleep after a wake-up, waking a second worker, setting the next alarm: a few calls each.
calls_per_timer=8
ulimit -n "$(ulimit -Hn)"
[ "$(ulimit -n)" -ge $((most + 100)) ] || skip "$most descriptors are not permitted"
"$compiler" -O2 -pthread -o "$work/idle" "$here/idle.c" || fail "idle.c does not compile"

said() { grep -qs "$1" "$dir/server.out"; }

# cpu_ticks PID: utime + stime.
cpu_ticks() { sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'; }

# switches PID: how often its kernel threads went to sleep.
switches() {
  cat "/proc/$1/task"/*/status 2>/dev/null |
    awk '/^voluntary/ { sum += $2 } END { print sum + 0 }'
}

# Whether perf can count system calls of this process here. It takes a descriptor a thread.
can_count_calls() {
  [ "$(find "/proc/$1/task" -maxdepth 1 | wc -l)" -lt 4000 ] && command -v perf >/dev/null &&
    perf stat -x, -e raw_syscalls:sys_enter -p $$ -- true >/dev/null 2>&1
}

# measure PID: sets ticks, sleeps and calls ("unknown" without perf) of the measured seconds.
measure() {
  local ticks_before switches_before
  ticks_before=$(cpu_ticks "$1")
  switches_before=$(switches "$1")
  calls=unknown
  if can_count_calls "$1"; then
    perf stat -x, -e raw_syscalls:sys_enter -o "$dir/calls" -p "$1" -- sleep $measured_seconds
    # A thread that never ran was "not counted".
    calls=$(awk -F, '/sys_enter/ { sum += $1 } END { print sum + 0 }' "$dir/calls")
  else
    sleep $measured_seconds
  fi
  ticks=$(($(cpu_ticks "$1") - ticks_before))
  sleeps=$(($(switches "$1") - switches_before))
}

quiet() {
  local before
  before=$(switches "$1")
  sleep 0.5
  [ "$(switches "$1")" -eq "$before" ]
}

one_round() {
  local pid port figure timers=$((measured_seconds * 2 + 1)) count=$most
  native && count=$((most / 10))
  launch server "$work/idle" serve "$count"
  wait_until 10 said '^process' || fail "the server does not start"
  read -r _ pid _ port <"$dir/server.out"
  "$work/idle" connect "$port" "$count" 2>"$dir/clients.err" </dev/null &
  local clients=$!
  helpers+=("$clients")
  wait_until 60 said '^all idle' || fail "not all connected"
  # Surplus kernel threads of the start may still be going.
  wait_until 10 quiet "$pid" || fail "never quiet: it sleeps and wakes all the time"

  measure "$pid"
  figure="idle $measured_seconds s: $ticks ticks of CPU, $sleeps wake-ups, $calls system calls"
  [ "$ticks" -eq 0 ] || fail "$figure"
  [ "$sleeps" -eq 0 ] || fail "$figure"
  [ "$calls" = unknown ] || [ "$calls" -eq 0 ] || fail "$figure"

  kill -USR1 "$clients"
  sleep 0.5
  measure "$pid"
  running server || fail "it ended"
  figure="$count connections: $figure; $timers timers due: $sleeps wake-ups, $calls system calls"
  [ "$sleeps" -gt 0 ] || fail "the byte did not arrive: $figure"
  [ "$sleeps" -le $((timers * calls_per_timer)) ] || fail "$figure"
  [ "$calls" = unknown ] || [ "$calls" -le $((timers * calls_per_timer)) ] || fail "$figure"
  stop server
  native || [ "$threads" -le $((mode + 2)) ] || fail "$threads kernel threads with $mode workers"
  report "$figure"
}

each_mode one_round
