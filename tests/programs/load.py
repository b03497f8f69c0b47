#!/usr/bin/python3
"""The load: checked clients, and the origin that proxies fetch from. Never interposed.

    load.py origin --port P            HTTP/1.1 server with the paths below, until killed
    load.py http   --port P ...        concurrent slow downloads
    load.py lines  --port P ...        concurrent conversations, one line a question
    load.py linger --port P --ready F  half requests, held open until the server goes; F appears
                                       when all are connected

Origin paths; the body is made from the seed, so that whoever knows the path knows the bytes:
    /data/SIZE/SEED                    at once
    /slow/SIZE/SEED                    in eight parts, with pauses
    /meet/COUNT/SIZE/SEED              when COUNT such requests are there together

Each client wants what the server cannot give unless it serves all of them at the same time: the
rendezvous. `http` clients read the first part of the body and no more until all clients have
theirs, and a body is larger than what the sockets buffer (some 350 kB, TLS as much again).
`lines` clients ask their next question when all have had their last answer.
"""
import argparse
import asyncio
import random
import socket
import ssl
import sys
import time

HOST = "127.0.0.1"
# Small, so that the buffers between server and client stay below a body: on loopback the kernel
# would take megabytes from the server at once.
RECEIVE_BUFFER = 8 << 10
SEGMENT = 1448
PARTS = 8


def payload(size, seed):
    return random.Random(seed).randbytes(int(size))


class Origin:
    def __init__(self):
        self.meetings = {}

    async def serve(self, reader, writer):
        try:
            while await self.answer(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def answer(self, reader, writer):
        """Answers one request; false if the connection is to be closed."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        request, *headers = head.split("\r\n")
        method, target, version = request.split(" ")
        if target.startswith("http://"):
            target = "/" + target.split("/", 3)[3]
        keep = version == "HTTP/1.1" and "connection: close" not in head.lower()
        kind, *words = target.strip("/").split("/")
        if kind == "meet":
            await self.meet(int(words.pop(0)))
        status, body = "404 Not Found", b"no such path\n"
        if kind in ("data", "slow", "meet") and len(words) == 2:
            status, body = "200 OK", payload(*words)
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n"
                     f"Connection: {'keep-alive' if keep else 'close'}\r\n\r\n".encode())
        if method != "HEAD":
            await self.send(writer, body, PARTS if kind == "slow" else 1)
        return keep

    async def send(self, writer, body, parts):
        step = len(body) // parts + 1
        for start in range(0, len(body), step):
            writer.write(body[start:start + step])
            await writer.drain()
            if parts > 1:
                await asyncio.sleep(0.05)

    async def meet(self, count):
        """Returns when `count` requests are in here together."""
        barrier = self.meetings.setdefault(count, asyncio.Barrier(count))
        await barrier.wait()


async def origin(args):
    server = await asyncio.start_server(Origin().serve, HOST, args.port, backlog=1024)
    await server.serve_forever()


def waiting_to_be_accepted(port):
    """The length of a listener's accept queue: the kernel shows it as its receive queue."""
    listener = f":{port:04X} 00000000:0000 0A "
    with open("/proc/net/tcp", encoding="ascii") as table:
        for line in table:
            if listener in line:
                return int(line.split()[4].split(":")[1], 16)
    return 0


async def connect(args):
    # A connection that overflows a short backlog may be reset, natively too.
    while args.backlog and waiting_to_be_accepted(args.port) >= args.backlog:
        await asyncio.sleep(0.002)
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, (HOST, args.port))
    context = None
    if args.tls:
        context = ssl.create_default_context(cafile=args.tls)
        context.check_hostname = False
    reader, writer = await asyncio.open_connection(
        sock=sock, ssl=context, server_hostname="localhost" if context else None, limit=16 << 10)
    if args.via == "socks5":
        await greet_socks5(reader, writer, args.origin)
    return reader, writer


async def greet_socks5(reader, writer, port):
    writer.write(b"\5\1\0")
    if await reader.readexactly(2) != b"\5\0":
        raise SystemExit("socks: no method accepted")
    writer.write(b"\5\1\0\1" + socket.inet_aton(HOST) + port.to_bytes(2, "big"))
    answer = await reader.readexactly(10)
    if answer[1] != 0:
        raise SystemExit(f"socks: refused with {answer[1]}")


async def download(reader, writer, args, path, first_part):
    """One request in two halves and its checked answer; `first_part` is called in between."""
    target = f"http://{HOST}:{args.origin}{path}" if args.via == "proxy" else path
    request = f"GET {target} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
    half = len(request) // 2
    writer.write(request[:half])
    await asyncio.sleep(0.05)
    writer.write(request[half:])

    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    if head.split(" ")[1] != "200":
        raise SystemExit(f"{path}: {head.splitlines()[0]}")
    size = int(head.split("content-length:")[1].split("\r\n")[0])
    want = expected(args, path)
    if size != len(want):
        raise SystemExit(f"{path}: length {size}, expected {len(want)}")
    body = await reader.readexactly(min(size, 4096))
    await first_part()
    while len(body) < size:
        body += await reader.readexactly(min(size - len(body), size // PARTS + 1))
        await asyncio.sleep(args.pause)
    if body != want:
        raise SystemExit(f"{path}: wrong bytes")


def expected(args, path):
    if args.files:
        with open(args.files + path, "rb") as file:
            return file.read()
    return payload(*path.split("/")[-2:])


async def http_client(args, index, barrier):
    await asyncio.sleep(index * args.stagger)
    reader, writer = await connect(args)
    for turn in range(args.turns):
        path = args.path.format(size=args.size, seed=f"{index}.{turn}", digit=index % 10)
        await download(reader, writer, args, path, barrier.wait)
    writer.close()


async def line_client(args, index, barrier):
    await asyncio.sleep(index * args.stagger)
    reader, writer = await connect(args)
    for turn in range(args.turns):
        number = index * 1000 + turn
        question = f"square {number}\n".encode()
        writer.write(question[:3])
        await asyncio.sleep(0.02)
        writer.write(question[3:])
        answer = await reader.readline()
        if answer != f"{number * number}\n".encode():
            raise SystemExit(f"square {number}: {answer!r}")
        await barrier.wait()
    writer.close()


async def clients(args):
    one = {"http": http_client, "lines": line_client}[args.part]
    barrier = asyncio.Barrier(args.clients)
    started = time.monotonic()
    everyone = [asyncio.create_task(one(args, index, barrier)) for index in range(args.clients)]
    done, late = await asyncio.wait(everyone, timeout=args.limit,
                                    return_when=asyncio.FIRST_EXCEPTION)
    for task in done:
        task.result()
    if late:
        raise SystemExit(f"no end after {args.limit} s for {len(late)} of {args.clients} clients,"
                         f" {barrier.n_waiting} at the rendezvous")
    print(f"clients={args.clients} answers={args.clients * args.turns}"
          f" load_seconds={time.monotonic() - started:.2f}")


async def linger(args):
    connections = [await connect(args) for _ in range(args.clients)]
    for _, writer in connections:
        writer.write(args.half.encode())
    # So that the server has a thread in a blocking call for each of them.
    await asyncio.sleep(0.3)
    with open(args.ready, "w", encoding="utf-8"):
        pass
    for reader, _ in connections:
        try:
            while await reader.read(4096):
                pass
        except ConnectionError:
            pass


def main():
    parts = {"origin": origin, "http": clients, "lines": clients, "linger": linger}
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=parts)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--size", type=int, default=600_000)
    parser.add_argument("--path", default="/slow/{size}/{seed}")
    parser.add_argument("--pause", type=float, default=0.05)
    parser.add_argument("--stagger", type=float, default=0.002)
    parser.add_argument("--backlog", type=int, help="wait while so many wait to be accepted")
    parser.add_argument("--via", choices=("direct", "socks5", "proxy"), default="direct")
    parser.add_argument("--origin", type=int, help="its port, for a proxy")
    parser.add_argument("--tls", metavar="CERTIFICATE")
    parser.add_argument("--files", metavar="DIRECTORY", help="what the paths should hold")
    parser.add_argument("--half", default="GET / HT")
    parser.add_argument("--ready")
    parser.add_argument("--limit", type=float, default=18)
    args = parser.parse_args()
    asyncio.run(parts[args.part](args))
    return 0


if __name__ == "__main__":
    sys.exit(main())
