"""Real programs, natively and under vervet, under the same load, whose answers are checked."""
import contextlib
import functools
import os
import shutil
import subprocess
import time

from house import commands, processes
from house.trial import Broken, Row, Skip, Trial

PART = "programs"
SOURCES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "programs")
# With one worker only where that takes little time; 64 and 1,000 clients are MariaDB's targets.
SIZES = (50, 500, 2000)
MARIADB_SIZES = (50, 64, 500, 1000, 2000)
SECONDS = 2.0
QUICK_SIZE, QUICK_SECONDS = 20, 0.3
# A quick run has no time to wait longer for an empty database.
INSTALL_SECONDS, QUICK_INSTALL_SECONDS = 60, 5
WORKERS = {"threads": 0, "vervet_pthread": 1, "vervet_pthread_2w": 2}
PAGE_SIZE = 1024
ECHO_SERVER = "server_epoll_callbacks"
ITEMS = 10000


def trials(quick):
    """One trial is one program, run by one subject under one number of clients."""
    found = []
    for program, sizes in ((mariadb, MARIADB_SIZES), (http_server, SIZES), (stunnel, SIZES)):
        for n in (QUICK_SIZE,) if quick else sizes:
            subjects = ["threads", "vervet_pthread_2w"]
            if n == sizes[0] and not quick:
                subjects.append("vervet_pthread")
            for subject in subjects:
                run = functools.partial(program, subject=subject, n=n)
                found.append(Trial(PART, f"{program.__name__}, {subject}, {n} clients", run))
    for subject in ("threads", "vervet_pthread", "vervet_pthread_2w"):
        found.append(Trial(PART, f"short threads, {subject}",
                           functools.partial(short_threads, subject=subject)))
    for subject in ("threads", "vervet_pthread_2w"):
        found.append(Trial(PART, f"computing threads, {subject}",
                           functools.partial(computing_threads, subject=subject)))
    return found


def launcher(settings, subject):
    """What is written before a command, so that `subject` runs it."""
    workers = WORKERS[subject]
    return [os.path.join(settings.build, "bin", "vervet"), "--workers", str(workers)] if workers \
        else []


def found(command, package):
    """The path of `command`. Servers are in a directory that is in the path of root alone."""
    path = shutil.which(command, path=os.environ.get("PATH", "") + ":/usr/sbin")
    if not path:
        raise Skip(f"{command} is not installed (package {package})")
    return path


def load(settings, work, subject, n, server, port, argument=None):
    """The rows of one load and the number of its answers. `server` is the process measured."""
    check_interposed(server, subject)
    seconds = QUICK_SECONDS if settings.quick else SECONDS
    command = [os.path.join(settings.build, "bench", "program_load"), work, subject, str(n),
               str(port), str(server.pid), str(seconds)] + ([argument] if argument else [])
    text = commands.output_of(command)
    answers = next(int(line.split()[1]) for line in text.splitlines() if line[:8] == "answers ")
    return commands.rows_in(PART, text), answers


def check_interposed(server, subject):
    """A server that runs under vervet has its library mapped; one that runs natively has not."""
    with open(f"/proc/{server.pid}/maps", encoding="utf-8") as maps:
        mapped = "libvervet_preload.so" in maps.read()
    if mapped != (WORKERS[subject] > 0):
        raise Broken(f"{server.args[0]} is {'' if mapped else 'not '}interposed")


# CPython's http.server.

def http_server(settings, subject, n):
    """A page of 1 KiB, on kept connections and on a new connection each."""
    python = found("/usr/bin/python3", "python3")
    with processes.scratch() as directory:
        page = os.path.join(directory, "page")
        with open(page, "wb") as file:
            file.write(os.urandom(PAGE_SIZE))
        command = [*launcher(settings, subject), python, os.path.join(SOURCES, "http_server.py"),
                   directory]
        # Its log, a line a request, goes where nobody reads it.
        with processes.running(command, os.devnull, stdout=subprocess.PIPE) as server:
            port = processes.announced_port(server)
            rows = []
            for work in "http_keep", "http_close":
                rows += load(settings, work, subject, n, server, port, page)[0]
            return rows


# stunnel, which ends TLS for an echo server.

STUNNEL = """foreground = yes
pid =
debug = err
[tunnel]
accept = 127.0.0.1:{port}
connect = 127.0.0.1:{origin}
cert = {directory}/certificate
key = {directory}/key
"""


def stunnel(settings, subject, n):
    """1 KiB there and back on kept connections; the echo server is native, and not measured."""
    program = found("stunnel4", "stunnel4")
    with processes.scratch() as directory:
        certificate = make_certificate(directory)
        with echo_server(settings, directory) as origin:
            port = processes.free_port()
            configuration = os.path.join(directory, "configuration")
            with open(configuration, "w", encoding="utf-8") as file:
                file.write(STUNNEL.format(port=port, origin=origin, directory=directory))
            command = [*launcher(settings, subject), program, configuration]
            with processes.running(command, os.path.join(directory, "log")) as server:
                processes.wait_for_listener(server, port)
                rows, _ = load(settings, "stunnel_echo", subject, n, server, port, certificate)
                processes.wait_until_unused(server)
                return rows


def make_certificate(directory):
    """Makes a key and a certificate for it. Elliptic, so that 2,000 handshakes take no time."""
    certificate = os.path.join(directory, "certificate")
    commands.output_of([found("openssl", "openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost", "-days", "2",
                        "-keyout", os.path.join(directory, "key"), "-out", certificate])
    return certificate


@contextlib.contextmanager
def echo_server(settings, directory):
    """The port of an echo server that costs as little as can be."""
    program = os.path.join(settings.build, "bench", ECHO_SERVER)
    log = os.path.join(directory, "origin.log")
    with processes.running([program, "echo", "1"], log, stdout=subprocess.PIPE) as server:
        yield processes.announced_port(server)


# MariaDB, with its defaults.

TABLES = f"""create database t; use t;
create table item(id int primary key, name varchar(64));
insert into item select seq, concat('item ', seq, ' of many') from seq_1_to_{ITEMS};
create table log(id int auto_increment primary key, client int, turn int)"""


def mariadb(settings, subject, n):
    """Reads of one row by its key, then inserts that are counted afterwards."""
    program = found("mariadbd", "mariadb-server-core")
    with processes.scratch() as directory:
        data = os.path.join(directory, "data")
        shutil.copytree(empty_database(settings), data)
        port = processes.free_port()
        # The queue of its listener grows with the connections it allows.
        command = [*launcher(settings, subject), program, "--no-defaults", f"--datadir={data}",
                   f"--socket={directory}/socket", f"--pid-file={directory}/pid", f"--port={port}",
                   f"--tmpdir={directory}", "--bind-address=127.0.0.1", "--max-connections=4500",
                   *run_as()]
        sql = functools.partial(statements, f"{directory}/socket")
        with processes.running(command, os.path.join(directory, "log")) as server:
            processes.wait_until(server, lambda: sql("select 1") is not None,
                                 "mariadbd does not answer")
            if sql(TABLES) is None:
                raise Broken("mariadbd has not made the tables")
            reads, _ = load(settings, "mariadb_read", subject, n, server, port)
            writes, inserted = load(settings, "mariadb_write", subject, n, server, port)
            count = sql("select count(*), count(distinct client), count(distinct client, turn)"
                        " from t.log")
            if count != f"{inserted}\t{n}\t{inserted}":
                raise Broken(f"{inserted} rows were inserted by {n} clients, there are {count}")
        return reads + writes


def run_as():
    """mariadbd does not run as root unless it is told to."""
    return ["--user=root"] if os.getuid() == 0 else []


def statements(path, text):
    """What the server behind the socket answers; None if it does not, or calls it an error."""
    command = [found("mariadb", "mariadb-client"), "--no-defaults", f"--socket={path}", "-uroot",
               "-N", "-B", "-e", text]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout.strip() if done.returncode == 0 else None


def empty_database(settings):
    """The directory of a database with nothing in it; made once."""
    made = os.path.join(settings.peers, "mariadb.data")
    if os.path.exists(made):
        return made
    install = found("mariadb-install-db", "mariadb-server-core")
    os.makedirs(settings.peers, exist_ok=True)
    making = made + ".new"
    shutil.rmtree(making, ignore_errors=True)
    command = [install, "--no-defaults", f"--datadir={making}", "--skip-test-db",
               "--auth-root-authentication-method=normal", *run_as()]
    limit = QUICK_INSTALL_SECONDS if settings.quick else INSTALL_SECONDS
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=limit)
    except subprocess.TimeoutExpired:
        raise Skip(f"an empty database takes more than {limit} s to make") from None
    if done.returncode != 0:
        raise Broken(f"{install} failed: {done.stderr.strip() or done.stdout.strip()}")
    os.rename(making, made)
    return made


# Threads that end soon, and threads that compute.

def short_threads(settings, subject):
    """One thread after the other is created and joined."""
    count = 2000 if settings.quick else 20000
    program = os.path.join(settings.build, "bench", "short_threads")
    text = commands.output_of([*launcher(settings, subject), program, str(count)])
    return [Row(PART, "short_threads", subject, 1, "time", float(text), "ns")]


def computing_threads(settings, subject):
    """Four threads that compute for the same time each, and make no call."""
    millions = 20 if settings.quick else 400
    program = os.path.join(settings.build, "bench", "computing_threads")
    begun = time.monotonic()
    commands.output_of([*launcher(settings, subject), program, str(millions)])
    return [Row(PART, "computing_threads", subject, 4, "elapsed", time.monotonic() - begun, "s")]
