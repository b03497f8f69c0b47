#!/bin/bash
# sqlite3: gains nothing, must work: queries, an index sorted on threads, and processes that wait
# for each other's locks on one file.
. "$(dirname "$0")/common.sh"
need sqlite3 sqlite3

cat >"$work/queries.sql" <<'SQL'
CREATE TABLE t (id INTEGER PRIMARY KEY, word TEXT, number INTEGER);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150000)
  INSERT INTO t SELECT i, printf('%08x', (i * 2654435761) % 4294967296), i % 977 FROM n;
PRAGMA threads = 4;
PRAGMA cache_size = 20;
CREATE INDEX by_word ON t (word, number);
SELECT count(*), sum(number), min(word), max(word) FROM t;
SELECT word, number FROM t ORDER BY word LIMIT 5;
SELECT number, count(*) FROM t GROUP BY number ORDER BY 2 DESC, 1 LIMIT 3;
BEGIN; DELETE FROM t; ROLLBACK;
PRAGMA integrity_check;
SELECT * FROM nothing;
SQL

# Four writers; each transaction keeps the lock for a while.
for _ in $(seq 25); do
  echo "BEGIN IMMEDIATE; UPDATE t SET number = number + 1; COMMIT;"
done >"$work/writer.sql"

one_round() {
  local writer
  supervise_options=(--stdin "$work/queries.sql")
  run_to "exit 1" queries sqlite3 "$dir/queries.db"
  few_threads 2
  local figure="threads=$threads"
  output_as_native queries
  as_native dump "$(sqlite3 "$dir/queries.db" .dump | sha256sum)"

  sqlite3 "$dir/shared.db" 'CREATE TABLE t (number INTEGER); INSERT INTO t VALUES (0);'
  supervise_options=(--stdin "$work/writer.sql")
  for writer in 1 2 3 4; do
    launch "writer$writer" sqlite3 -cmd '.timeout 15000' -cmd 'PRAGMA synchronous = off' \
      "$dir/shared.db"
  done
  supervise_options=()
  for writer in 1 2 3 4; do
    ended "writer$writer"
    [ "$end" = "exit 0" ] || fail "writer $writer: $end"
    dormant
  done
  run count sqlite3 "$dir/shared.db" 'SELECT number FROM t'
  [ "$(cat "$dir/count.out")" = 100 ] || fail "$(cat "$dir/count.out") updates, not 100"
  report "while sorting: $figure"
}

each_mode one_round
