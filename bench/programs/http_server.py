"""python3 -m http.server for many clients: the module's own handler, a thread for each connection.

http_server.py DIRECTORY: prints `listening on PORT` and serves until SIGTERM. It differs from
what -m gives in its backlog, which is 5 there, and keeps connections of HTTP/1.1 clients open.
"""
import functools
import http.server
import resource
import sys


class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # The response is written in two parts, which wait for each other on a kept connection.
    disable_nagle_algorithm = True


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 4096


def main():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    handler = functools.partial(Handler, directory=sys.argv[1])
    with Server(("127.0.0.1", 0), handler) as server:
        print("listening on", server.server_port, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
