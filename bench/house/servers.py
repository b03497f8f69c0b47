"""Servers: the same services in every model, under the one load generator."""
import dataclasses
import functools
import os
import resource
import select
import subprocess
import tempfile
import typing

from house import peers
from house.commands import output_of
from house.trial import Broken, Row, Skip, Trial

PART = "servers"


# ---- Subjects

@dataclasses.dataclass(frozen=True)
class Subject:
    """`command(settings)` is what SERVICE and WORKERS are appended to; it raises Skip if something
    is not there."""
    name: str
    workers: int
    command: typing.Callable


def _existing(path):
    if not os.path.exists(path):
        raise Skip(f"{os.path.basename(path)} is not built")
    return path


def _ours(name):
    return lambda settings: [_existing(os.path.join(settings.build, "bench", f"server_{name}"))]


def _under_vervet(workers):
    def command(settings):
        vervet = _existing(os.path.join(settings.build, "bin", "vervet"))
        return [vervet, "--workers", str(workers)] + _ours("threads")(settings)
    return command


LIMIT = "epoll_callbacks"
SUBJECTS = [
    Subject(LIMIT, 1, _ours("epoll_callbacks")),
    Subject("io_uring", 1, _ours("io_uring")),
    Subject("vervet_task", 1, _ours("vervet_task")),
    Subject("vervet_light", 1, _ours("vervet_light")),
    Subject("vervet_full", 1, _ours("vervet_full")),
    Subject("vervet_pthread", 1, _under_vervet(1)),
    Subject("threads", 1, _ours("threads")),
    Subject("asio", 1, _ours("asio")),
    Subject("go", 1, peers.go_server),
    Subject("gevent", 1, peers.gevent_server),
    Subject("java", 1, functools.partial(peers.java_server, workers=1)),
    Subject("epoll_callbacks_2w", 2, _ours("epoll_callbacks")),
    Subject("vervet_full_2w", 2, _ours("vervet_full")),
    Subject("vervet_pthread_2w", 2, _under_vervet(2)),
    Subject("threads_2w", 2, _ours("threads")),
    Subject("asio_2w", 2, _ours("asio")),
    Subject("go_2w", 2, peers.go_server),
    Subject("java_2w", 2, functools.partial(peers.java_server, workers=2)),
]


# ---- Works

@dataclasses.dataclass(frozen=True)
class Work:
    """What is asked of a server, at which numbers of connections by 1 and by 2 workers."""
    name: str
    service: str
    load: list
    connections: dict
    system_calls: bool = True


# From several client addresses. As many as the descriptors allow: 20,000 is a usual limit.
MANY = 19_000

WORKS = [
    Work("echo_64", "echo", ["--work", "echo", "--size", "64"],
         {1: [1, 100, 1000, 8000, MANY], 2: [100, 1000, 8000]}),
    Work("echo_16k", "echo", ["--work", "echo", "--size", "16384"],
         {1: [1, 100, 1000, 8000], 2: []}),
    Work("http", "http", ["--work", "http"], {1: [1, 100, 1000, 8000], 2: [100, 1000, 8000]}),
    Work("stream", "stream", ["--work", "stream"], {1: [100, 1000], 2: []}),
    Work("churn", "echo", ["--work", "churn"], {1: [100], 2: [100]}),
]

QUICK_WORKS = [
    Work("echo_64", "echo", WORKS[0].load, {1: [50], 2: [50]}),
    Work("http", "http", WORKS[2].load, {1: [50], 2: []}, system_calls=False),
]


@dataclasses.dataclass(frozen=True)
class Pace:
    """Seconds of a trial's parts."""
    window: float
    warmup: float
    start: float
    load: float


FULL_PACE = Pace(window=1.0, warmup=0.3, start=20, load=90)
QUICK_PACE = Pace(window=0.3, warmup=0.05, start=2, load=20)


# ---- Running one

def _cpus(workers, together):
    """The CPUs of the server and of the load generator. One worker has a CPU of its own, and so
    has the load generator, if there are two and they are not to be `together`."""
    available = sorted(os.sched_getaffinity(0))
    if together:
        return available[:1], available[:1]
    if workers > 1 or len(available) < 2:
        return available, available
    return available[:1], available[1:2]


def _allow_descriptors(connections):
    """Before a server begins: as many descriptors as it needs, if this may be changed at all."""
    wanted = connections + 100
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))


class Server:
    """A server that runs while the `with` block does; `port` is where it listens."""

    def __init__(self, command, cpus, connections, patience):
        self.messages = tempfile.TemporaryFile(mode="w+")
        self.name = os.path.basename(command[0])

        def prepare():
            os.sched_setaffinity(0, cpus)
            _allow_descriptors(connections)
        try:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, text=True,
                                            stdout=subprocess.PIPE, stderr=self.messages,
                                            preexec_fn=prepare)
        except FileNotFoundError:
            raise Skip(f"{self.name} is not installed") from None
        except (OSError, subprocess.SubprocessError):
            raise Skip(f"{connections} connections: too many descriptors here") from None
        try:
            self.port = self._wait_for_port(patience)
        except BaseException:
            self.stop()
            raise

    def _wait_for_port(self, patience):
        ready, _, _ = select.select([self.process.stdout], [], [], patience)
        if not ready:
            raise Skip(f"{self.name} needs more than {patience} s to start")
        line = self.process.stdout.readline()
        if not line.startswith("listening on "):
            raise Broken(f"{self.name} did not start: {self.last_message() or line.strip()}")
        return int(line.split()[-1])

    def last_message(self):
        """The last line that it wrote to stderr."""
        self.messages.seek(0)
        lines = self.messages.read().strip().splitlines()
        return lines[-1] if lines else ""

    def ended(self):
        """How it ended by itself: a text; None if it runs."""
        status = self.process.poll()
        if status is None:
            return None
        return f"the server ended with {status}: {self.last_message() or 'no message'}"

    def stop(self):
        """Ends it, and waits for that."""
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        self.messages.close()


def _rows(work, subject, connections, text):
    """The load generator's lines as rows; its ceiling is its own."""
    rows = []
    for line in text.splitlines():
        metric, value, unit = line.split()
        row = Row(PART, work.name, subject.name, connections, metric, float(value), unit)
        if metric == "ceiling":
            if subject.name == LIMIT:
                rows.append(dataclasses.replace(row, subject="load_generator", metric="rate"))
        elif metric != "requests":
            rows.append(row)
    return rows


def run(settings, work, subject, connections, pace, together=False):
    """One measurement of a server: its rows."""
    load = _existing(os.path.join(settings.build, "bench", "load_generator"))
    command = subject.command(settings) + [work.service, str(subject.workers)]
    server_cpus, load_cpus = _cpus(subject.workers, together)
    with Server(command, server_cpus, connections, pace.start) as server:
        asked = [load, "--port", str(server.port), "--pid", str(server.process.pid),
                 "--connections", str(connections), "--seconds", str(pace.window),
                 "--warmup", str(pace.warmup)] + work.load
        if len(load_cpus) == 1:
            asked += ["--cpu", str(load_cpus[0])]
        if work.system_calls:
            asked.append("--system-calls")
        try:
            text = output_of(asked, pace.load)
        except Broken as reason:
            ended = server.ended()
            if ended and "pthread_create" in ended:
                raise Skip(f"{connections} kernel threads are too many here") from None
            raise Broken(f"{reason}; {ended or server.last_message() or 'the server runs'}") \
                from None
        if server.ended():
            raise Broken(server.ended())
    return _rows(work, subject, connections, text)


def trials(quick):
    """A trial for each work, number of connections and subject; subjects of a point in a row."""
    pace = QUICK_PACE if quick else FULL_PACE
    made = []
    for work in QUICK_WORKS if quick else WORKS:
        for workers in (1, 2):
            for connections in work.connections[workers]:
                for subject in SUBJECTS:
                    if subject.workers != workers:
                        continue
                    made.append(Trial(
                        PART, f"{work.name}/{subject.name}/{connections}",
                        lambda settings, point=(work, subject, connections): run(
                            settings, *point, pace)))
    return made
