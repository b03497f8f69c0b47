"""Bytes that a parked flow occupies: resident memory and page tables, by the kernel's account."""
import functools
import os

from house import commands, peers
from house.micro import program, renamed, require_memory, under
from house.trial import Trial

MEMORY = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "memory")

# Bytes a flow, roughly: what must be free; and the sizes. Fibers with a thread's identity take the
# time of a kernel thread each, threads themselves end at the kernel's limits.
LIMIT = 1_000_000
SUBJECTS = {
    "limit": (5_000, LIMIT),
    "vervet_light": (5_000, LIMIT),
    "vervet_light_cxx": (5_000, LIMIT),
    "vervet_full": (14_000, 100_000),
    "vervet_pthread": (14_000, 100_000),
    "vervet_task": (500, LIMIT),
    "coroutine": (500, LIMIT),
    "boost_fiber": (6_000, LIMIT),
    "threads": (32_000, 10_000),
    "go": (3_000, LIMIT),
    "gevent": (9_000, 100_000),
}


def _command(subject, settings):
    if subject == "go":
        return [peers.go_program(settings, os.path.join(MEMORY, "go"), "go_parked")]
    if subject == "gevent":
        return [peers.gevent_python(), os.path.join(MEMORY, "gevent_parked.py")]
    command, own_name = under(settings, subject)
    return [*command, program(settings, f"{own_name}_parked")]


def _parked(subject, count, settings):
    command = _command(subject, settings)
    require_memory(SUBJECTS[subject][0] * count * 5 // 4 // 1_000_000)
    return renamed(commands.rows_of("memory", [*command, str(count)]), subject)


def trials(quick):
    """Every subject at 10,000, 100,000 and 1,000,000, as far as it gets; in quick mode 1,000."""
    sizes = (1_000,) if quick else (10_000, 100_000, 1_000_000)
    return [Trial("memory", f"parked {subject} {n}", functools.partial(_parked, subject, n))
            for n in sizes for subject, (_, most) in SUBJECTS.items() if n <= most]
