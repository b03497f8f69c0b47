"""The services with gevent: a greenlet for each connection, the blocking calls monkey-patched.

server.py echo|http|stream WORKERS: prints `listening on PORT` and serves until SIGTERM.
"""
from gevent import monkey
monkey.patch_all()

import resource  # noqa: E402
import socket  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from gevent.server import StreamServer  # noqa: E402

ECHO_SIZE = 16 << 10
REQUEST_SIZE = 4 << 10
CHUNKS = 8
CHUNK_SIZE = 1 << 10
THINK_SECONDS = 0.010
BACKLOG = 8192
BLANK_LINE = b"\r\n\r\n"
HELLO_REPLY = (b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\nContent-Type: text/plain\r\n\r\n"
               b"Hello, world!")
# A chunk is a slice of the alphabet, over and over: it begins with letter (N + its number) % 26.
LETTERS = memoryview(b"abcdefghijklmnopqrstuvwxyz" * (CHUNK_SIZE // 26 + 2))


def echo(connection):
    """Gives back what it reads."""
    while data := connection.recv(ECHO_SIZE):
        connection.sendall(data)


def http(connection):
    """Answers every request, whatever it asks for: a head that ends with a blank line."""
    held = b""
    while len(held) < REQUEST_SIZE:
        data = connection.recv(REQUEST_SIZE - len(held))
        if not data:
            return
        held += data
        while (end := held.find(BLANK_LINE)) >= 0:
            held = held[end + len(BLANK_LINE):]
            connection.sendall(HELLO_REPLY)


def stream(connection):
    """Answers `go N` with chunks, each after some time to think."""
    with connection.makefile("rb") as lines:
        for line in lines:
            verb, number = line.split()
            if verb != b"go":
                return
            for k in range(CHUNKS):
                first = (int(number) + k) % 26
                time.sleep(THINK_SECONDS)
                connection.sendall(LETTERS[first:first + CHUNK_SIZE])


def main():
    services = {"echo": echo, "http": http, "stream": stream}
    if len(sys.argv) != 3 or sys.argv[1] not in services or not sys.argv[2].isdecimal():
        sys.exit("usage: server.py echo|http|stream WORKERS")
    if sys.argv[2] != "1":
        print("gevent has one worker: its greenlets share one thread", file=sys.stderr)
        sys.exit(2)
    serve = services[sys.argv[1]]
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    def handle(connection, _address):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            serve(connection)
        except ConnectionError:
            pass  # the client has gone: the server closes its side

    server = StreamServer(("127.0.0.1", 0), handle, backlog=BACKLOG)
    server.start()
    print("listening on", server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
