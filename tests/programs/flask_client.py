"""Its client: COUNT blocking requests on as many threads of a pool.

    flask_client.py PORT COUNT

Prints how many answers were right, then the seconds it took on standard error.
"""
import concurrent.futures
import http.client
import sys
import time

PORT = int(sys.argv[1])
COUNT = int(sys.argv[2])
MESSAGE = b"Hello from a thread of its own! " * 60 + b"\n"


def get(name):
    connection = http.client.HTTPConnection("localhost", PORT)
    connection.request("GET", f"/{name}")
    response = connection.getresponse()
    body = b""
    while chunk := response.read(1000):
        body += chunk
    connection.close()
    return response.status == 200 and body == name.encode() + b": " + MESSAGE


start = time.time()
right = 0
with concurrent.futures.ThreadPoolExecutor(max_workers=COUNT) as executor:
    futures = [executor.submit(get, f"request-{index}") for index in range(COUNT)]
    for future in concurrent.futures.as_completed(futures):
        right += future.result()
print(f"{right} of {COUNT}")
print(f"{time.time() - start:.2f}", file=sys.stderr)
