"""A Flask server that knows nothing of vervet: every answer streams for about a second.

    flask_server.py PORT
"""
import sys
from time import sleep

from flask import Flask, Response

app = Flask(__name__)

MESSAGE = b"Hello from a thread of its own! " * 60 + b"\n"
CHUNK = 100
SECONDS = 0.9


@app.route("/<name>")
def hello(name):
    def stream():
        text = name.encode() + b": " + MESSAGE
        for start in range(0, len(text), CHUNK):
            yield text[start:start + CHUNK]
            sleep(SECONDS * CHUNK / len(text))

    return Response(stream())


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(sys.argv[1]), threaded=True)
