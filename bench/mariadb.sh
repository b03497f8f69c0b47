#!/usr/bin/env bash
# MariaDB natively and under vervet with 2 workers, in turn, under the same load of mariadb-slap.
# Both servers run from the first round to the last, each on data of its own, with their defaults;
# the load generator is native and shares the machine. Prints a table.
# Usage: bench/mariadb.sh [build directory]
#   CLIENTS="64 1000"   ROUNDS=3   WORKERS=2   LOADS="read write"   SECONDS_A_ROUND=4
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
build=${1:-$here/build/release}
clients_list=${CLIENTS:-64 1000}
rounds=${ROUNDS:-3}
workers=${WORKERS:-2}
loads=${LOADS:-read write}
round_seconds=${SECONDS_A_ROUND:-4}
PATH=$PATH:/usr/sbin
for program in mariadbd mariadb-install-db mariadb mariadb-slap; do
  command -v $program >/dev/null ||
    { echo "$program is missing (packages mariadb-server-core, mariadb-client)" >&2; exit 77; }
done

# A server wants a descriptor a client, the load generator as many.
ulimit -n "$(ulimit -Hn)"
[ "$(ulimit -n)" -ge 4000 ] || { echo "ulimit -n is $(ulimit -n), too low" >&2; exit 1; }

work=$(mktemp -d "${TMPDIR:-/tmp}/vervet.mariadb.XXXXXX")
user=$(id -un)
declare -A pid=() port=() sampler=()

cleanup() {
  local side
  for side in "${!sampler[@]}"; do kill "${sampler[$side]}" 2>/dev/null || true; done
  for side in "${!pid[@]}"; do kill -KILL "${pid[$side]}" 2>/dev/null || true; done
  wait
  [ -n "${KEEP:-}" ] || rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

say() { echo "[$(date +%T)] $*" >&2; }
die() { echo "$*" >&2; tail -n 3 "$work"/*.err >&2; exit 1; }

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

sql() { mariadb --no-defaults -h127.0.0.1 -P"${port[$1]}" -uroot -N -B -e "$2" 2>"$work/sql.err"; }

# The queue of a listener grows with max-connections, up to 900; one that 1,000 clients overflow at
# once leaves some of them waiting for ever, natively as well.
start() {
  local side=$1 tries=0
  shift
  cp -r "$work/data" "$work/$side"
  port[$side]=$(free_port)
  "$@" mariadbd --no-defaults --user="$user" --datadir="$work/$side" --socket="$work/$side.socket" \
    --port="${port[$side]}" --bind-address=127.0.0.1 --max-connections=4500 \
    >"$work/$side.out" 2>"$work/$side.err" &
  pid[$side]=$!
  until sql "$side" 'select 1' >/dev/null; do
    tries=$((tries + 1))
    [ $tries -lt 200 ] && kill -0 "${pid[$side]}" || die "$side does not start"
    sleep 0.1
  done
  sql "$side" "create database t; use t;
    create table item(id int primary key, name varchar(64));
    insert into item select seq, md5(seq) from seq_1_to_10000;
    create table log(id int auto_increment primary key, client int, name varchar(64))" ||
    die "$side: $(cat "$work/sql.err")"
}

# User and system time of the server so far, in ticks.
ticks() { sed 's/.*) //' "/proc/${pid[$1]}/stat" | cut -d' ' -f12,13 | tr ' ' '+' | { read -r sum; echo $((sum)); }; }

# Keeps the most kernel threads seen in a file, until killed.
sample_threads() {
  exec python3 - "$1" "$2" <<'PY'
import sys, time
most = 0
while True:
    try:
        with open(f"/proc/{sys.argv[1]}/status") as status:
            now = next(int(l.split()[1]) for l in status if l.startswith("Threads:"))
    except (OSError, StopIteration):
        break
    if now > most:
        most = now
        with open(sys.argv[2], "w") as file:
            print(most, file=file)
    time.sleep(0.01)
PY
}

statement() {
  case $1 in
    read) echo 'select name from item where id = 4711' ;;
    write) echo "insert into log(client, name) values (connection_id(), 'a line of what a client says')" ;;
    ping) echo 'do 1' ;;
    *) die "unknown load $1" ;;
  esac
}

# slap SIDE LOAD CLIENTS QUERIES: prints the seconds it took.
slap() {
  timeout 120 mariadb-slap --no-defaults -h127.0.0.1 -P"${port[$1]}" -uroot --create-schema=t \
    --no-drop --concurrency="$3" --number-of-queries="$4" --query="$(statement "$2")" \
    >"$work/slap.out" 2>"$work/slap.err" && [ ! -s "$work/slap.err" ] ||
    die "$1: mariadb-slap: $(head -n 1 "$work/slap.err")"
  awk '/Average number of seconds/ { print $(NF - 1) }' "$work/slap.out"
}

say "making a data directory"
mariadb-install-db --no-defaults --datadir="$work/data" --user="$user" --skip-test-db \
  --auth-root-authentication-method=normal >"$work/install.out" 2>&1 || die "mariadb-install-db failed"
say "starting both servers"
start native env
start vervet "$build/bin/vervet" --workers "$workers"
hz=$(getconf CLK_TCK)

for load in $loads; do
  for clients in $clients_list; do
    # As many queries for both as native does in about the time wanted, connecting included.
    probe=$((clients * 20))
    seconds=$(slap native "$load" "$clients" $probe)
    queries=$(awk -v p=$probe -v s="$seconds" -v want="$round_seconds" -v c="$clients" 'BEGIN {
      n = int(p / s * want / c) * c
      print (n > 20 * c ? n : 20 * c) }')
    slap vervet "$load" "$clients" $probe >/dev/null
    for round in $(seq "$rounds"); do
      sides="native vervet"
      [ $((round % 2)) = 1 ] || sides="vervet native"
      for side in $sides; do
        before=$(ticks $side)
        rm -f "$work/threads"
        sample_threads "${pid[$side]}" "$work/threads" &
        sampler[$side]=$!
        until [ -s "$work/threads" ]; do sleep 0.01; done
        seconds=$(slap $side "$load" "$clients" "$queries")
        kill "${sampler[$side]}"
        wait "${sampler[$side]}" 2>/dev/null || true
        unset "sampler[$side]"
        line="$load $clients $round $side $queries $seconds $(cat "$work/threads") $(($(ticks $side) - before))"
        echo "$line" >>"$work/figures"
        say "$(awk '{ printf "%s, %d clients, round %d, %s: %d queries/s", $1, $2, $3, $4, $5 / $6 }' <<<"$line")"
      done
    done
  done
done

for side in native vervet; do
  kill -TERM "${pid[$side]}"
  status=0
  wait "${pid[$side]}" || status=$?
  unset "pid[$side]"
  say "$side ended with status $status"
done

# The median of the rounds; of the ratio, the median of the ratios within a round, and their range.
python3 - "$work/figures" "$hz" <<'PY'
import collections, statistics, sys

rows = collections.defaultdict(dict)
for line in open(sys.argv[1]):
    load, clients, turn, side, queries, seconds, threads, ticks = line.split()
    rows[load, int(clients)][int(turn), side] = (
        int(queries) / float(seconds), int(threads), int(ticks) / int(sys.argv[2]), int(queries))

print(f"{'load':7}{'clients':>8}{'':3}{'':7}{'queries/s':>10}{'ratio':>8}{'(of rounds)':>15}"
      f"{'kernel threads':>16}{'CPU s':>8}{'us a query':>12}")
for (load, clients), found in rows.items():
    turns = sorted({turn for turn, _ in found})
    ratios = [found[turn, "vervet"][0] / found[turn, "native"][0] for turn in turns]
    for side in "native", "vervet":
        mine = [found[turn, side] for turn in turns]
        cpu = statistics.median(row[2] for row in mine)
        ratio = spread = ""
        if side == "vervet":
            ratio = f"{statistics.median(ratios):.2f}"
            spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"{load:7}{clients:8}{'':3}{side:7}{statistics.median(row[0] for row in mine):10.0f}"
              f"{ratio:>8}{spread:>15}{max(row[1] for row in mine):16}{cpu:8.2f}"
              f"{cpu / mine[0][3] * 1e6:12.1f}")
PY
