#!/usr/bin/python3
"""Start one program, watch it through /proc until it ends, and report.

    supervise.py --files BASE [--stdin FILE] [--limit SECONDS] [--tree] -- program args...

Output goes to BASE.out and BASE.err. When the program has ended, BASE.report appears with
    end=exit N | signal N | limit       how it ended; limit: killed here, after --limit seconds
    threads=N                           most kernel threads seen at once in one process, in four looks in a
                                        row: one that is there for a moment does not count, although on a
                                        busy machine the moment may last for milliseconds
    peak=N                              the same in any one look
    seconds=S                           how long it ran
    interposed=yes | no | unseen        whether libvervet_preload.so was mapped into it
SIGTERM and SIGINT are passed on to the program, SIGUSR1 kills it. Signalling through its parent
cannot hit a stranger that has got the number of a program already reaped.
"""
import argparse
import collections
import os
import signal
import subprocess
import sys
import time

SAMPLE_SECONDS = 0.008
LOOKS = 4
# A program younger than this may still be in the launcher or in ld.so when it is looked at.
SETTLED_SECONDS = 1.0


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def kernel_threads(pid):
    try:
        return set(os.listdir(f"/proc/{pid}/task"))
    except OSError:
        return set()


def descendants(pid):
    """Every process below `pid`, itself first."""
    found = [pid]
    for parent in found:
        try:
            tasks = os.listdir(f"/proc/{parent}/task")
        except OSError:
            continue
        for task in tasks:
            found += [int(word) for word in read(f"/proc/{parent}/task/{task}/children").split()]
    return found


class Watch:
    def __init__(self, process, tree):
        self.process = process
        self.tree = tree
        self.started = time.monotonic()
        # It may be gone before the first look.
        self.threads = self.peak = 1
        self.last_seen = {}  # by process: the latest looks
        self.interposed = False

    def age(self):
        return time.monotonic() - self.started

    def sample(self):
        pids = descendants(self.process.pid) if self.tree else [self.process.pid]
        for pid in pids:
            seen = kernel_threads(pid)
            looks = self.last_seen.setdefault(pid, collections.deque(maxlen=LOOKS))
            looks.append(seen)
            if len(looks) == LOOKS:
                self.threads = max(self.threads, len(set.intersection(*looks)))
            self.peak = max(self.peak, len(seen))
        if not self.interposed:
            maps = read(f"/proc/{self.process.pid}/maps")
            self.interposed = "libvervet_preload.so" in maps

    def seen(self):
        if self.interposed:
            return "yes"
        return "no" if self.age() > SETTLED_SECONDS else "unseen"


def kill_all(process):
    for pid in descendants(process.pid):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def write_report(path, end, watch):
    with open(path + ".new", "w", encoding="utf-8") as file:
        print(f"end={end}", f"threads={watch.threads}", f"peak={watch.peak}", f"seconds={watch.age():.2f}",
              f"interposed={watch.seen()}", sep="\n", file=file)
    os.rename(path + ".new", path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", required=True)
    parser.add_argument("--stdin", default="/dev/null")
    parser.add_argument("--limit", type=float, default=25)
    parser.add_argument("--tree", action="store_true")
    parser.add_argument("program", nargs="+")
    args = parser.parse_args()

    process = None
    early = []

    def forward(number, _frame):
        if process is None:
            early.append(number)
        elif number == signal.SIGUSR1:
            kill_all(process)
        else:
            process.send_signal(number)

    # The shell starts us with SIGINT and SIGQUIT ignored, which the program would inherit and
    # take as a wish; handled ones return to their defaults at exec.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, forward)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)

    with open(args.stdin, "rb") as source, open(args.files + ".out", "wb") as out, \
            open(args.files + ".err", "wb") as err:
        process = subprocess.Popen(args.program, stdin=source, stdout=out, stderr=err)
    for number in early:
        forward(number, None)

    watch = Watch(process, args.tree)
    limited = False
    while process.poll() is None:
        watch.sample()
        if watch.age() > args.limit:
            limited = True
            kill_all(process)
            process.wait()
            break
        time.sleep(SAMPLE_SECONDS)

    code = process.returncode
    end = "limit" if limited else f"exit {code}" if code >= 0 else f"signal {-code}"
    write_report(args.files + ".report", end, watch)
    return 0


if __name__ == "__main__":
    sys.exit(main())
