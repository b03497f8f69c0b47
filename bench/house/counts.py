"""Counts that do not depend on the machine, and what they must not exceed: instructions of an operation,
by Valgrind; system calls of a request, by perf."""
import functools
import os
import re
import shutil
import subprocess

from house import commands, servers
from house.trial import Broken, Row, Skip, Trial

PART = "counts"

# Instructions, the benchmark's loop included. What they are now and some room: who makes the path longer by more
# finds out here.
INSTRUCTION_CEILINGS = {"yield": 115, "yield_full": 240, "spawn": 800, "sleep": 550}
FULL = ("yield_full",)
# System calls a request, above what the callbacks make in the same run. The monitor's looks are so many a
# second, and count for more where requests are few.
CALLS_ABOVE_LIMIT = {"vervet_light": 0.1, "vervet_full": 0.25, "vervet_pthread": 0.25,
                     "vervet_task": 0.1}
CONNECTIONS = 100


def _instructions(program, work, n):
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, work,
               str(n)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False,
                              timeout=commands.LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        raise Broken(f"{work}: Valgrind was not ready in time") from None
    counted = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or counted is None:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise Broken(f"{work} under Valgrind ended with {done.returncode}: {last}")
    return int(counted[1])


def _per_operation(work, settings):
    if shutil.which("valgrind") is None:
        raise Skip("valgrind is not installed")
    program = os.path.join(settings.build, "bench", "count_flows")
    if not os.path.exists(program):
        raise Skip("count_flows is not built")
    few, many = 2_000, 12_000
    difference = _instructions(program, work, many) - _instructions(program, work, few)
    return [Row(PART, work, _subject(work), 1, "instructions", difference / (many - few),
                "instructions")]


def _subject(work):
    return "vervet_full" if work in FULL else "vervet_light"


def _system_calls(settings):
    """Of all subjects that have a ceiling, and of the limit, in one trial: they are compared.

    On one CPU with the load generator, which so has sent all it can when the server runs: with a CPU of its
    own the server may be the faster one, and wait for single requests."""
    window = 1.0
    work = servers.Work("echo_64", "echo", servers.WORKS[0].load, {1: [CONNECTIONS], 2: []})
    pace = servers.Pace(window=window, warmup=0.2, start=20, load=30)
    rows = []
    for subject in servers.SUBJECTS:
        if subject.name != servers.LIMIT and subject.name not in CALLS_ABOVE_LIMIT:
            continue
        rows += [Row(PART, *row.key[1:], row.value, row.unit)
                 for row in servers.run(settings, work, subject, CONNECTIONS, pace, together=True)
                 if row.metric == "syscalls"]
    if not rows:
        raise Skip("perf cannot count system calls here")
    return rows


def trials(_quick):
    """One trial for each kind of operation, and one for the servers."""
    made = [Trial(PART, work, functools.partial(_per_operation, work))
            for work in INSTRUCTION_CEILINGS]
    return [*made, Trial(PART, "system calls", _system_calls)]


def above_ceilings(results):
    """Lines that say which counts are too high."""
    lines = []
    for work, ceiling in INSTRUCTION_CEILINGS.items():
        counted = results.median(PART, work, _subject(work), 1, "instructions")
        if counted is not None and counted > ceiling:
            lines.append(f"{work}: {counted:.0f} instructions, the ceiling is {ceiling}")
    limit = results.median(PART, "echo_64", servers.LIMIT, CONNECTIONS, "syscalls")
    for subject, room in CALLS_ABOVE_LIMIT.items():
        counted = results.median(PART, "echo_64", subject, CONNECTIONS, "syscalls")
        if None not in (counted, limit) and counted > limit + room:
            lines.append(f"{subject}: {counted:.3f} system calls a request, the callbacks make "
                         f"{limit:.3f} and {room} more are granted")
    return lines
