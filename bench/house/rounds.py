"""Runs trials in interleaved rounds, so that a change of the machine's mood meets all of them."""
import statistics
import sys
import time

from house.trial import Broken, Skip


class Results:
    """Every value of every row, what was skipped and what was broken."""

    def __init__(self):
        self.values = {}   # row key -> values, in the order of rounds
        self.units = {}    # row key -> unit
        self.skipped = {}  # trial -> reason
        self.broken = {}   # trial -> reason

    def add(self, row):
        self.values.setdefault(row.key, []).append(row.value)
        self.units[row.key] = row.unit

    def median(self, *key):
        """The median of a row's values; None if there is no such row."""
        values = self.values.get(key)
        return statistics.median(values) if values else None

    def spread(self, *key):
        """The distance of the extremes over the median: the noise of that row."""
        values = self.values[key]
        middle = statistics.median(values)
        return (max(values) - min(values)) / middle if middle else 0.0


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


def run(trials, settings, rounds):
    """A trial that is skipped or broken in one round is not tried again."""
    results = Results()
    progress = Progress(rounds * len(trials))
    for number in range(rounds):
        for trial in trials:
            name = f"{trial.part}: {trial.name}"
            progress.step(f"round {number + 1}, {name}")
            if name in results.skipped or name in results.broken:
                continue
            try:
                for row in trial.run(settings):
                    results.add(row)
            except Skip as reason:
                results.skipped[name] = str(reason)
            except Broken as reason:
                results.broken[name] = str(reason)
    progress.end()
    return results
