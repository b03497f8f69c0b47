#!/bin/bash
# mariadbd with 64 clients of mariadb-slap, with its defaults: InnoDB's io_uring and the thread that
# waits in it, futex locks, timers, the signal thread; ended by SIGTERM, then started again from
# what it wrote.
. "$(dirname "$0")/common.sh"
PATH=$PATH:/usr/sbin
need mariadbd mariadb-server-core
need mariadb-install-db mariadb-server-core
need mariadb mariadb-client
need mariadb-slap mariadb-client

clients=64
most_threads=8
user=$(id -un)

# sql STATEMENTS: the rows, a space between columns.
sql() {
  timeout --foreground 10 mariadb --no-defaults -h127.0.0.1 -P"$port" -uroot -N -B -e "$1" \
    2>"$dir/sql.err" | tr '\t' ' '
  return "${PIPESTATUS[0]}"
}

answers() { sql 'select 1' >/dev/null; }

# want WHAT WANTED QUERY
want() {
  local got
  got=$(sql "$3") || fail "$1: $(tail -n 1 "$dir/sql.err")"
  [ "$got" = "$2" ] || fail "$1: '$got', not '$2'"
}

make_data() {
  mariadb-install-db --no-defaults --datadir="$work/data" --user="$user" --skip-test-db \
    --auth-root-authentication-method=normal >"$work/install.out" 2>&1 ||
    fail "mariadb-install-db: $(tail -n 1 "$work/install.out")"
}

make_tables() {
  sql "create database t; use t;
    create table log(id int auto_increment primary key, client int);
    create table counter(n int);
    insert into counter values (0);
    create table account(id int primary key, balance int);
    insert into account select seq, 0 from seq_1_to_64;
    create table moved(id int auto_increment primary key, amount int);
    create table page(id int auto_increment primary key, body longtext, sum bigint)" ||
    fail "no tables: $(tail -n 1 "$dir/sql.err")"
}

start() {
  launch "$1" mariadbd --no-defaults --user="$user" --datadir="$dir/data" --socket="$dir/socket" \
    --port="$port" --bind-address=127.0.0.1 --max-connections=400
  wait_until 15 answers || fail "$1 does not answer"
}

# slap TIMES STATEMENT...: by every client, that many times over. mariadb-slap says what went wrong
# and goes on.
slap() {
  local total=$(($1 * clients * ($# - 1)))
  shift
  local IFS=';'
  timeout --foreground 25 mariadb-slap --no-defaults -h127.0.0.1 -P"$port" -uroot \
    --create-schema=t --no-drop --concurrency=$clients --number-of-queries=$total \
    --delimiter=';' --query="$*" >"$dir/slap.out" 2>"$dir/slap.err" ||
    fail "mariadb-slap: exit $? $(head -n 1 "$dir/slap.err")"
  [ ! -s "$dir/slap.err" ] || fail "mariadb-slap: $(head -n 1 "$dir/slap.err")"
}

check_what_was_written() {
  want "rows, clients, ids" "1280 $clients 1280" \
    'select count(*), count(distinct client), count(distinct id) from t.log'
  want "rows a client" "20 20" \
    'select min(n), max(n) from (select count(*) n from t.log group by client) x'
  want "the row that all count in" 640 'select n from t.counter'
  want "transfers" "0 640 640" \
    'select sum(balance), sum(abs(balance)) div 2, (select count(*) from t.moved) from t.account'
  want "large values" "256 16777216 256" \
    'select count(*), sum(length(body)), sum(crc32(body) = sum) from t.page'
}

one_round() {
  port=$(free_port)
  cp -r "$work/data" "$dir/data"
  start server
  make_tables
  # All clients are inside a statement at once, asleep for 10 ms.
  slap 20 'insert into t.log(client) select connection_id() from (select sleep(0.01)) x'
  # All want one row: they wait for each other in InnoDB.
  slap 10 'update t.counter set n = n + 1'
  slap 10 begin \
    'update t.account set balance = balance - 1 where id = 1 + connection_id() % 32' \
    'update t.account set balance = balance + 1 where id = 33 + connection_id() % 32' \
    'insert into t.moved(amount) values (1)' \
    commit
  # 16 MiB go through the log and the pages.
  slap 4 'set @body = repeat(md5(rand()), 2048)' \
    'insert into t.page(body, sum) values (@body, crc32(@body))'
  check_what_was_written
  stop server
  if native; then
    [ "$threads" -gt 70 ] || fail "only $threads kernel threads natively"
  else
    [ "$threads" -le $most_threads ] || fail "$threads kernel threads"
  fi
  local figure="threads=$threads end='$end'"
  ! grep -E '\[ERROR\]|[Aa]ssertion' "$dir/server.err" || fail "the server complained"
  grep -q 'mariadbd: Shutdown complete' "$dir/server.err" || fail "it did not shut down in order"

  start again
  check_what_was_written
  stop again
  ! grep -qi 'crash recovery' "$dir/again.err" || fail "it had to recover what it wrote"
  report "$figure"
}

make_data
each_mode one_round
