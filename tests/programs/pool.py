"""ThreadPoolExecutor(200) with sleeps, sockets, locks, conditions and queues.

Prints the same whatever the threads are, and fails (or hangs) if they do not run together.
"""
import concurrent.futures
import queue
import random
import socket
import sys
import threading
import time

THREADS = 200
LIMIT = 15

everyone = threading.Barrier(THREADS)
lock = threading.RLock()
turn = threading.Condition()
few = threading.Semaphore(7)
local = threading.local()
tally = {"locked": 0, "turn": 0, "inside": 0, "most": 0}
results = queue.Queue(maxsize=10)


def echo(server_side):
    with server_side, server_side.makefile("rwb") as stream:
        for line in stream:
            stream.write(line.upper())
            stream.flush()


def talk(index):
    """A conversation over TCP with a thread that exists for it alone."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname(), timeout=LIMIT)
        server_side, _ = listener.accept()
    peer = threading.Thread(target=echo, args=(server_side,))
    peer.start()
    right = 0
    with client, client.makefile("rwb") as stream:
        for question in range(5):
            stream.write(f"line {question} of {index}\n".encode())
            stream.flush()
            right += stream.readline() == f"LINE {question} OF {index}\n".encode()
    peer.join(LIMIT)
    return right


def count_under_locks():
    for _ in range(20):
        with lock, lock:
            before = tally["locked"]
            time.sleep(0)
            tally["locked"] = before + 1
    with few:
        with lock:
            tally["inside"] += 1
            tally["most"] = max(tally["most"], tally["inside"])
        time.sleep(0.01)
        with lock:
            tally["inside"] -= 1


def wait_for_turn(index):
    """Threads pass in the order of their numbers, each woken by the one before."""
    with turn:
        if not turn.wait_for(lambda: tally["turn"] == index, LIMIT):
            raise TimeoutError(f"turn {index} never came")
        tally["turn"] += 1
        turn.notify_all()


def work(index):
    local.index = index
    everyone.wait(LIMIT)
    time.sleep(random.random() / 4)
    count_under_locks()
    right = talk(index)
    everyone.wait(LIMIT)
    wait_for_turn(index)
    results.put((index, right), timeout=LIMIT)
    return local.index


def expire():
    """What times out must: a lock, an event, a socket."""
    held = threading.Lock()
    held.acquire()
    one, other = socket.socketpair()
    one.settimeout(0.05)
    try:
        one.recv(1)
        late = False
    except TimeoutError:
        late = True
    other.close()
    one.close()
    return held.acquire(timeout=0.05), threading.Event().wait(0.05), late


def main():
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        futures = [pool.submit(work, index) for index in range(THREADS)]
        rights = dict(results.get(timeout=2 * LIMIT) for _ in range(THREADS))
        indexes = [future.result(LIMIT) for future in futures]
    print("indexes", indexes == list(range(THREADS)))
    print("answers", sum(rights.values()), "from", len(rights))
    print("locked", tally["locked"], "turn", tally["turn"], "most", tally["most"] <= 7)
    print("expired", expire())
    print("threads left", threading.active_count())
    print(f"{time.monotonic() - began:.2f}", file=sys.stderr)


main()
