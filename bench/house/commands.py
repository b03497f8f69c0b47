"""Runs programs, bounded in time, and reads the rows they print.

A program of ours prints lines `row WORK SUBJECT N METRIC VALUE UNIT`; a Google Benchmark program
names its benchmarks WORK/SUBJECT/N and its time per item counts.
"""
import json
import subprocess

from house.trial import Broken, Row

LIMIT_SECONDS = 120


def output_of(command, limit=LIMIT_SECONDS, env=None):
    """What `command` prints. Broken if it fails or takes longer than `limit` seconds."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False,
                              env=env)
    except subprocess.TimeoutExpired:
        raise Broken(f"{command[0]} was not ready after {limit} s") from None
    except OSError as error:
        raise Broken(f"{command[0]}: {error.strerror}") from None
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise Broken(f"{' '.join(command)} ended with {done.returncode}: {last}")
    return done.stdout


def rows_in(part, text):
    """The rows among the lines that a program printed."""
    rows = []
    for line in text.splitlines():
        words = line.split()
        if not words or words[0] != "row":
            continue
        if len(words) != 7:
            raise Broken(f"not a row: {line}")
        _, work, subject, n, metric, value, unit = words
        rows.append(Row(part, work, subject, int(n), metric, float(value), unit))
    if not rows:
        raise Broken("it printed no row")
    return rows


def rows_of(part, command, limit=LIMIT_SECONDS, env=None):
    """The rows that a program of ours prints."""
    return rows_in(part, output_of(command, limit, env))


def benchmark_rows(part, program, quick, pattern=".*", limit=LIMIT_SECONDS, under=()):
    """The rows of a Google Benchmark program: nanoseconds of CPU time per item, or of wall time
    where the benchmark asks for it. `under` is the command that runs the program, if one does."""
    command = [*under, program, "--benchmark_format=json", f"--benchmark_filter={pattern}",
               f"--benchmark_min_time={0.01 if quick else 0.2}"]
    rows = []
    # It prints nothing if no benchmark's name matches.
    for entry in json.loads(output_of(command, limit) or '{"benchmarks": []}')["benchmarks"]:
        name = entry["name"]
        if entry.get("error_occurred"):
            raise Broken(f"{name}: {entry['error_message']}")
        work, subject, n = name.split("/")[:3]
        if "items_per_second" not in entry:
            raise Broken(f"{name} counts no items")
        rows.append(Row(part, work, subject, int(n), "time", 1e9 / entry["items_per_second"], "ns"))
    if not rows:
        raise Broken(f"{program} has no benchmark {pattern}")
    return rows
