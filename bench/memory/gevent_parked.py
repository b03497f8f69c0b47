"""gevent_parked.py N: what N greenlets occupy that wait for one event."""
import sys

import gevent
from gevent.event import Event


def status(key):
    """The number behind key in /proc/self/status, in bytes."""
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(key))


def hold(count):
    """RSS and page tables of that many greenlets that wait."""
    all_here, waiting, awake = Event(), 0, 0

    def attend():
        nonlocal waiting, awake
        waiting += 1
        all_here.wait()
        awake += 1

    made = [None] * count
    before = status("VmRSS:"), status("VmPTE:")
    for i in range(count):
        made[i] = gevent.spawn(attend)
    while waiting != count:
        gevent.sleep(0)
    after = status("VmRSS:"), status("VmPTE:")
    all_here.set()
    gevent.joinall(made)
    if awake != count:
        sys.exit("not all have woken")
    return after[0] - before[0], after[1] - before[1]


if __name__ == "__main__":
    N = int(sys.argv[1])
    hold(1)
    RSS, TABLES = hold(N)
    print(f"row parked gevent {N} bytes {(RSS + TABLES) // N} B")
    print(f"row parked gevent {N} rss {RSS // N} B")
    print(f"row parked gevent {N} page_tables {TABLES // N} B")
