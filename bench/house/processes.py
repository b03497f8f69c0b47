"""Servers that run for the time of one trial, and never longer."""
import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from house.trial import Broken

START_SECONDS = 30
FEW_THREADS = 10
LISTENING = "0A"  # as /proc/net/tcp writes it
STOP_SECONDS = 20


@contextlib.contextmanager
def scratch():
    """A directory that is gone afterwards."""
    path = tempfile.mkdtemp(prefix="vervet.bench.")
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def running(command, log, ends=(0, -signal.SIGTERM), stdout=None):
    """The process of `command`; afterwards it is told to end, and has to. Its stderr goes to the
    file `log`. It must not have ended on its own."""
    with open(log, "w", encoding="utf-8") as errors:
        try:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=errors,
                                       stdout=stdout or subprocess.DEVNULL, text=True)
        except OSError as error:
            raise Broken(f"{command[0]}: {error.strerror}") from None
    try:
        yield process
        if process.poll() is not None:
            raise Broken(f"{command[0]} ended on its own: {_last_words(process, log)}")
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise Broken(f"{command[0]} did not end within {STOP_SECONDS} s") from None
        if process.returncode not in ends:
            raise Broken(f"{command[0]}: {_last_words(process, log)}")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()


def _last_words(process, log):
    with open(log, encoding="utf-8", errors="replace") as file:
        lines = file.read().strip().splitlines()
    return f"status {process.returncode}: {lines[-1] if lines else 'no message'}"


def announced_port(process):
    """The port in the line `listening on PORT` that the server prints when it is ready."""
    words = process.stdout.readline().split()
    if words[:2] != ["listening", "on"]:
        raise Broken(f"{process.args[0]} does not say on which port it listens")
    return int(words[-1])


def free_port():
    """A port for a server that cannot choose one: below those that the kernel gives to clients."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def wait_for_listener(process, port):
    """Asks the kernel: a connection to try it would be one client more."""
    wait_until(process, lambda: _listens(port), f"nothing listens on port {port}")


def wait_until(process, condition, complaint):
    """Returns when `condition` is true of the process that has just been started."""
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            raise Broken(complaint)
        time.sleep(0.02)


def wait_until_unused(process):
    """Returns when only listeners are left of its sockets, and few of its threads: a server that is
    told to end while its threads end may crash, natively as well."""
    wait_until(process, lambda: _connections(process) == 0 and _threads(process) <= FEW_THREADS,
               f"{process.args[0]} keeps connections whose clients have gone")


def _threads(process):
    return len(os.listdir(f"/proc/{process.pid}/task"))


def _connections(process):
    """TCP connections of the process: its sockets that the kernel's table shows as no listeners."""
    with open("/proc/net/tcp", encoding="ascii") as table:
        lines = [line.split() for line in table]
    connections = {words[9] for words in lines[1:] if words[3] != LISTENING}
    found = 0
    for descriptor in os.listdir(f"/proc/{process.pid}/fd"):
        try:
            link = os.readlink(f"/proc/{process.pid}/fd/{descriptor}")
        except FileNotFoundError:
            continue
        found += link.startswith("socket:[") and link[len("socket:["):-1] in connections
    return found


def _listens(port):
    with open("/proc/net/tcp", encoding="ascii") as table:
        return any(f"0100007F:{port:04X} 00000000:0000 0A" in line for line in table)
