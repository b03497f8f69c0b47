"""A Flask server whose every answer takes about a second: it streams its body in small pieces and
sleeps between them. It knows nothing of vervet.

flask_stream.py [port]; port 0, the default, lets the kernel choose."""
import sys
import time

from flask import Flask, Response, request

CHUNKS = 20
CHUNK_SIZE = 100
SECONDS = 0.88

app = Flask(__name__)


def chunk(name, number):
    """Says which piece of which answer it is."""
    return f"{name} {number:02} ".ljust(CHUNK_SIZE - 1, ".") + "\n"


def stream(name):
    for number in range(CHUNKS):
        yield chunk(name, number)
        time.sleep(SECONDS / CHUNKS)


@app.route("/foo")
@app.route("/bar")
def answer():
    # With its length known the body comes as it is, not in HTTP's own chunks.
    headers = {"Content-Length": str(CHUNKS * CHUNK_SIZE)}
    return Response(stream(request.path[1:]), headers=headers, mimetype="text/plain")


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(sys.argv[1]) if len(sys.argv) > 1 else 0, threaded=True)
