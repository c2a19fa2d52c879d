"""A small HTTP server that supports ranges and misbehaves on request."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Behaviour:
    """The server's files and faults, and the requests that it has received."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cut_after: list[int] = []  # bytes per answer, until the list is used up
        self.statuses: list[int] = []  # answered first, without a body
        self.knows_ranges = True
        self.tells_lengths = True
        self.asked: list[tuple[str, str | None]] = []  # path and Range
        self.sent = 0  # bytes of bodies
        self.address = ""


@contextmanager
def serve(folder: Path) -> Iterator[Behaviour]:
    behaviour = Behaviour(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self, behaviour)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
    thread.start()
    behaviour.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield behaviour
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answer(request: BaseHTTPRequestHandler, behaviour: Behaviour) -> None:
    behaviour.asked.append((request.path, request.headers.get("Range")))
    path = behaviour.folder / request.path.strip("/")
    if behaviour.statuses or not path.is_file():
        request.send_error(behaviour.statuses.pop(0) if behaviour.statuses else 404)
        return
    data = path.read_bytes()
    start, status = 0, 200
    if behaviour.knows_ranges and "Range" in request.headers:
        start = int(re.fullmatch(r"bytes=(\d+)-", request.headers["Range"])[1])
        if start >= len(data):
            request.send_error(416)
            return
        status = 206
    request.send_response(status)
    if behaviour.tells_lengths:
        request.send_header("Content-Length", str(len(data) - start))
    if status == 206:
        request.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
    request.end_headers()
    body = data[start:]
    body = body[: behaviour.cut_after.pop(0)] if behaviour.cut_after else body
    request.wfile.write(body)
    behaviour.sent += len(body)
