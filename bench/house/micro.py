"""Small works in ns of CPU time: switch, spawn, waits, depth of calls, timers, sleepers."""
import dataclasses
import functools
import os

from house import commands, peers
from house.trial import Skip, Trial

MICRO = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "micro")

# The works of flow_bench.cpp, in trials of a few seconds.
GROUPS = {
    "switch": "switch",
    "spawn": "spawn_one|spawn_warm",
    "waits": "mutex_free|mutex|condition|queue|channel|park",
    "stack": "depth|exception|offload",
}
FLOWS = ("limit", "vervet_light", "vervet_light_cxx", "vervet_full", "boost_fiber",
         "state_threads", "pth", "threads", "vervet_pthread")
COROUTINES = ("coroutine", "vervet_task")
# Whose first 100,000 flows are measured, and whose first ones that are all alive at once.
COLD = ("first_touch", "limit", "vervet_light", "vervet_light_cxx", "vervet_full", "boost_fiber",
        "state_threads", *COROUTINES)
ALIVE = (("threads", 10_000), ("vervet_pthread", 10_000), ("vervet_pthread", 100_000))
TIMERS = ("limit", "vervet_timer_queue", "vervet_light", "asio")
SLEEPERS = ("limit", "vervet_light", "vervet_task", "asio")

# The works of the peers in other languages: a process for each.
MANY = ("2", "1000", "10000", "100000")
GO = {
    "switch": [("switch", n) for n in MANY],
    "spawn": [("spawn_one", "1"), ("spawn_warm", "1000"), ("spawn_warm", "100000"),
              ("spawn_cold", "100000")],
    "waits": [("mutex_free", "1"), ("mutex", "2"), ("condition", "2"), ("queue", "2"),
              ("channel", "2")],
    "stack": [("depth", "1"), ("depth", "10"), ("depth", "100")],
    "timers": [("timer_rearm", "10000"), ("timer_rearm", "1000000")],
    "timers fire": [("timer_fire", "1000000")],
    "sleepers": [("sleepers", "1000000")],
}
GEVENT = {
    "switch": GO["switch"][:-1],
    "spawn": GO["spawn"],
    "waits": [("mutex", "2"), ("queue", "2"), ("channel", "2")],
    "stack": [*GO["stack"], ("offload", "1")],
}


def program(settings, name):
    """The path of a built program. A peer that was not found has none."""
    path = os.path.join(settings.build, "bench", name)
    if not os.path.exists(path):
        raise Skip(f"{name} was not built: its library is not installed")
    return path


def under(settings, subject):
    """The command that a subject's program runs under, and the subject that the program calls
    itself. Threads share one CPU, as fibers do, natively and under vervet."""
    if subject not in ("threads", "vervet_pthread"):
        return [], subject
    pin = ["taskset", "-c", str(max(os.sched_getaffinity(0)))]
    if subject == "threads":
        return pin, subject
    return [*pin, os.path.join(settings.build, "bin", "vervet"), "--workers", "1"], "threads"


def renamed(rows, subject):
    """The same rows of the subject that was really measured."""
    return [dataclasses.replace(row, subject=subject) for row in rows]


def require_memory(mebibytes):
    """Skips what does not fit."""
    with open("/proc/meminfo", encoding="ascii") as file:
        free = next(int(line.split()[1]) for line in file if line.startswith("MemAvailable"))
    if free < mebibytes * 1024:
        raise Skip(f"{mebibytes} MiB of memory are not free")


def _benchmark(subject, name, works, settings):
    """One group of a subject's Google Benchmark program; in quick mode its small sizes alone."""
    command, own_name = under(settings, subject)
    sizes = "(1|2|10|1000|10000)" if settings.quick else "[0-9]+"
    pattern = f"^({works})/{own_name}/{sizes}/"
    path = program(settings, name.format(own_name))
    return renamed(commands.benchmark_rows("micro", path, settings.quick, pattern, under=command),
                   subject)


def _beneath(settings):
    """Jumps and contexts without a scheduler: several subjects in one program."""
    return commands.benchmark_rows("micro", program(settings, "switch_bench"), settings.quick,
                                   "/(2|1000|10000)/" if settings.quick else "switch")


def _first(subject, mode, count, settings):
    """The first flows of a process."""
    command, own_name = under(settings, subject)
    name = "switch_bench" if subject == "first_touch" else f"{own_name}_bench"
    size = min(count, 1_000) if settings.quick else count
    rows = commands.rows_of("micro", [*command, program(settings, name), mode, str(size)])
    return renamed(rows, subject)


def _fire(subject, settings):
    count = "1000" if settings.quick else "1000000"
    return commands.rows_of("micro", [program(settings, f"{subject}_timers_bench"), "fire", count])


def _sleepers(subject, settings):
    if not settings.quick:
        require_memory(7_000)
    count = "1000" if settings.quick else "1000000"
    return commands.rows_of("micro", [program(settings, f"{subject}_sleepers"), count])


def _peer(command_of, works, settings):
    """Works of a peer in another language; in quick mode the smallest size of each."""
    command = command_of(settings)
    if not settings.quick:
        return [row for work in works for row in commands.rows_of("micro", [*command, *work])]
    small = {work: str(min(1_000, int(n))) for work, n in reversed(works)}
    return [row for work in small.items()
            for row in commands.rows_of("micro", [*command, *work, "quick"])]


def _go(settings):
    return [peers.go_program(settings, os.path.join(MICRO, "go"), "go_micro")]


def _gevent(_settings):
    return [peers.gevent_python(), os.path.join(MICRO, "gevent_micro.py")]


def trials(quick):
    """Every subject's works; a trial each for groups that take seconds."""
    made = []

    def add(name, function, *arguments):
        made.append(Trial("micro", name, functools.partial(function, *arguments)))

    groups = {"all": "|".join(GROUPS.values())} if quick else GROUPS
    for group, works in groups.items():
        if group in ("switch", "all"):
            add("switch, beneath fibers", _beneath)
        for subject in (*FLOWS, *COROUTINES):
            if group != "waits" or subject not in ("vervet_light_cxx", *COROUTINES):
                add(f"{group} {subject}", _benchmark, subject, "{}_bench", works)
    for subject in COLD:
        add(f"cold {subject}", _first, subject, "cold", 100_000)
    for subject, count in ALIVE:
        add(f"alive {subject} {count}", _first, subject, "alive", count)
    for subject in TIMERS:
        add(f"timers {subject}", _benchmark, subject, "{}_timers_bench", "timer_rearm")
        add(f"timers fire {subject}", _fire, subject)
    for subject in SLEEPERS:
        add(f"sleepers {subject}", _sleepers, subject)
    for peer, command, works in (("go", _go, GO), ("gevent", _gevent, GEVENT)):
        for group, sizes in works.items():
            add(f"{group} {peer}", _peer, command, sizes)
    return made
