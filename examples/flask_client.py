"""Asks flask_stream.py for many answers at the same time, one thread each, and checks them all.
It knows nothing of vervet.

flask_client.py port requests"""
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor

PATHS = ["/foo", "/bar"]


def get(port, path):
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        pieces = []
        while piece := connection.recv(1000):
            pieces.append(piece)
    return b"".join(pieces)


def expected_body(path):
    lines = (f"{path[1:]} {number:02} ".ljust(99, ".") + "\n" for number in range(20))
    return "".join(lines).encode()


def is_right(path, answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.split(b" ")[1:2] == [b"200"] and body == expected_body(path)


def main():
    port, requests = int(sys.argv[1]), int(sys.argv[2])
    paths = [PATHS[number % len(PATHS)] for number in range(requests)]
    start = time.monotonic()
    with ThreadPoolExecutor(max_workers=requests) as pool:
        answers = list(pool.map(lambda path: get(port, path), paths))
    took = time.monotonic() - start

    wrong = sum(not is_right(path, answer) for path, answer in zip(paths, answers))
    if wrong:
        sys.exit(f"{wrong} of {requests} answers are wrong")
    print(f"{requests} requests took {took:.1f} sec")


if __name__ == "__main__":
    main()
