"""A trial is one program run for one purpose; it gives rows."""
import dataclasses
import typing


class Skip(Exception):
    """What the trial needs is not there; the text says what. Its rows are missing, nothing has failed."""


class Broken(Exception):
    """The trial ran and did not do what it should: a wrong answer, a crash, no figure."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One figure. `subject` is who was measured (vervet_light, go, threads), `n` the size
    (fibers, connections), `metric` what was measured (time, rate, p99, syscalls, cpu, bytes …)."""
    part: str
    work: str
    subject: str
    n: int
    metric: str
    value: float
    unit: str

    @property
    def key(self):
        return (self.part, self.work, self.subject, self.n, self.metric)


@dataclasses.dataclass(frozen=True)
class Trial:
    """`run(settings)` returns rows, or raises Skip or Broken. One call is one round's share: a few
    seconds, so that rounds of all trials can be interleaved."""
    part: str
    name: str
    run: typing.Callable[["Settings"], list[Row]]


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a run was asked for. `build` has bin/, lib/ and bench/ of the CMake build; peers written in
    other languages are built into `peers`."""
    build: str
    peers: str
    quick: bool
