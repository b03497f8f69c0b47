"""Runs trials in interleaved rounds, so that a change of the machine's mood meets all of them."""
import os
import statistics
import sys
import time

from house import machine
from house.trial import Broken, Skip


class Results:
    """Every value of every row, what was skipped and what was broken."""

    def __init__(self):
        self.values = {}   # row key -> values, in the order of rounds
        self.units = {}    # row key -> unit
        self.skipped = {}  # trial -> reason
        self.broken = {}   # trial -> reason
        self.interrupted = ""  # when, if the run was
        self.foreign = 0.0  # CPUs that other programs have used during a trial, at most

    def add(self, row):
        self.values.setdefault(row.key, []).append(row.value)
        self.units[row.key] = row.unit

    def median(self, *key):
        """The median of a row's values; None if there is no such row."""
        values = self.values.get(key)
        return statistics.median(values) if values else None

    def fastest(self, *key):
        """The mean of the least quarter of a row's values: what a cost is when the machine does not
        have one of its slower moods; None if there is no such row."""
        values = sorted(self.values.get(key, []))
        return statistics.mean(values[:max(1, len(values) // 4)]) if values else None

    def spread(self, *key):
        """The distance of the extremes over the median: the noise of that row."""
        values = self.values[key]
        middle = statistics.median(values)
        return (max(values) - min(values)) / middle if middle else 0.0


class Foreigners:
    """Notes how busy other programs were while the `with` block ran."""

    def __init__(self, results):
        self.results = results

    def __enter__(self):
        self.begun = time.monotonic()
        self.own = self._own()
        self.all = machine.busy_seconds()

    def __exit__(self, *_):
        seconds = time.monotonic() - self.begun
        if seconds > 0.5:
            foreign = machine.busy_seconds() - self.all - (self._own() - self.own)
            self.results.foreign = max(self.results.foreign, foreign / seconds)

    @staticmethod
    def _own():
        times = os.times()
        return times.user + times.system + times.children_user + times.children_system


class Progress:
    """One line that says how far a run has come, on a terminal; elsewhere a line for each trial."""

    def __init__(self, total):
        self.total = total
        self.done = 0
        self.begun = time.monotonic()
        self.terminal = sys.stderr.isatty()

    def step(self, what):
        self.done += 1
        seconds = int(time.monotonic() - self.begun)
        line = f"[{self.done}/{self.total}] {seconds} s  {what}"
        if self.terminal:
            print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
        else:
            print(line, file=sys.stderr, flush=True)

    def end(self):
        if self.terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _run_trial(trial, settings, results):
    name = f"{trial.part}: {trial.name}"
    if name in results.skipped or name in results.broken:
        return
    try:
        with Foreigners(results):
            rows = trial.run(settings)
        for row in rows:
            results.add(row)
    except Skip as reason:
        results.skipped[name] = str(reason)
    except Broken as reason:
        results.broken[name] = str(reason)


def run(trials, settings, rounds):
    """A trial that is skipped or broken in one round is not tried again. An interruption ends it; what
    was measured by then is there."""
    results = Results()
    progress = Progress(rounds * len(trials))
    try:
        for number in range(rounds):
            for trial in trials:
                progress.step(f"round {number + 1}, {trial.part}: {trial.name}")
                _run_trial(trial, settings, results)
    except KeyboardInterrupt:
        results.interrupted = f"in trial {progress.done} of {progress.total}"
    progress.end()
    return results
