"""The micro works on gevent: gevent_micro.py WORK N [quick] prints its row."""
import sys
import time

import gevent
from gevent.lock import Semaphore
from gevent.queue import Channel, Queue

LEAST = 0.2  # seconds of CPU time that a work is measured at least


def print_time(work, n, seconds, items):
    print(f"row {work} gevent {n} time {seconds * 1e9 / items:.1f} ns")


def measure(work, n, body):
    """Calls body(rounds), which returns the items, with more rounds until it takes long enough."""
    rounds = 1
    while True:
        begin = time.process_time()
        items = body(rounds)
        spent = time.process_time() - begin
        if spent >= LEAST:
            return print_time(work, n, spent, items)
        rounds *= int(LEAST * 1.5 / spent) + 1 if spent > LEAST / 10 else 10


def switch(work, n):
    """n greenlets that do nothing but give way to the next."""
    stop, turns = False, 0

    def turn():
        nonlocal turns
        while not stop:
            turns += 1
            gevent.sleep(0)

    def rounds_of(rounds):
        nonlocal turns
        turns = 0
        for _ in range(rounds):
            turns += 1
            gevent.sleep(0)
        return turns

    others = [gevent.spawn(turn) for _ in range(n - 1)]
    gevent.sleep(0)
    measure(work, n, rounds_of)
    stop = True
    gevent.joinall(others)


def spawn_one(work, n):
    def rounds_of(rounds):
        ran = []
        for _ in range(rounds):
            gevent.spawn(ran.append, 1).join()
        assert len(ran) == rounds
        return rounds
    measure(work, n, rounds_of)


def batch(n):
    ran = []
    gevent.joinall([gevent.spawn(ran.append, 1) for _ in range(n)])
    assert len(ran) == n


def spawn_warm(work, n):
    def rounds_of(rounds):
        for _ in range(rounds):
            batch(n)
        return rounds * n
    batch(n)
    measure(work, n, rounds_of)


def spawn_cold(work, n):
    begin = time.process_time()
    batch(n)
    print_time(work, n, time.process_time() - begin, n)


def mutex(work, n):
    """Each gives way while he has it, so that the other one must wait. An item is a lock."""
    lock, stop, locks = Semaphore(1), False, 0

    def hold():
        nonlocal locks
        with lock:
            locks += 1
            gevent.sleep(0)

    def other():
        while not stop:
            hold()

    def rounds_of(rounds):
        nonlocal locks
        locks = 0
        for _ in range(rounds):
            hold()
        return locks

    second = gevent.spawn(other)
    measure(work, n, rounds_of)
    stop = True
    second.join()


def queue(work, n):
    """A queue for 128 from one to the other. An item is an item."""
    items, received = Queue(128), 0

    def receive():
        nonlocal received
        while items.get():
            received += 1

    def rounds_of(rounds):
        nonlocal sent
        for _ in range(rounds):
            sent += 1
            items.put(sent)
        return rounds

    sent = 0
    second = gevent.spawn(receive)
    measure(work, n, rounds_of)
    items.put(0)
    second.join()
    assert received == sent


def channel(work, n):
    """A channel without room there and one back. An item is a message."""
    there, back = Channel(), Channel()

    def answer():
        while asked := there.get():
            back.put(asked + 1)

    def rounds_of(rounds):
        for i in range(1, rounds + 1):
            there.put(i)
            assert back.get() == i + 1
        return 2 * rounds

    second = gevent.spawn(answer)
    measure(work, n, rounds_of)
    there.put(0)
    second.join()


def descend(levels):
    if levels == 0:
        gevent.sleep(0)
    else:
        descend(levels - 1)


def depth(work, n):
    """n calls down, a switch, n returns."""
    stop, turns = False, 0

    def turn():
        nonlocal turns
        turns += 1
        descend(n)

    def other():
        while not stop:
            turn()

    def rounds_of(rounds):
        nonlocal turns
        turns = 0
        for _ in range(rounds):
            turn()
        return turns

    second = gevent.spawn(other)
    measure(work, n, rounds_of)
    stop = True
    second.join()


def offload(work, n):
    """There, to a kernel thread, and back."""
    pool = gevent.get_hub().threadpool

    def rounds_of(rounds):
        assert sum(pool.apply(int, ("1",)) for _ in range(rounds)) == rounds
        return rounds
    measure(work, n, rounds_of)


WORKS = {work.__name__: work for work in
         (switch, spawn_one, spawn_warm, spawn_cold, mutex, queue, channel, depth, offload)}

if __name__ == "__main__":
    if len(sys.argv) > 3:
        LEAST /= 20
    WORKS[sys.argv[1]](sys.argv[1], int(sys.argv[2]))
