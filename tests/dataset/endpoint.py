"""A real HTTP server on this machine that answers as an OpenAI-compatible endpoint does, well or badly as a test says."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Reply(NamedTuple):
    """What the server sends."""

    content: str | None = None
    """Text of the answer; None: `body` is sent as it is."""
    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    delay: float = 0.0
    hang_up: bool = False
    drip: float = 0.0
    """Seconds before each byte of the body."""


class Request(NamedTuple):
    """What the server was sent."""

    path: str
    authorization: str | None
    body: dict[str, Any]
    time: float

    @property
    def asked(self) -> str:
        return str(self.body["messages"][-1]["content"])


class Endpoint:
    """The server's address, and every request in the order they came."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[Request] = []
        self.together = 0
        """Most requests that were under way at once."""


@contextmanager
def serving(reply: Callable[[Request, int], Reply]) -> Iterator[Endpoint]:
    """A server whose answers `reply` makes from a request and how many came before it."""
    lock = threading.Lock()
    under_way = 0

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            nonlocal under_way
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            request = Request(self.path, self.headers["Authorization"], json.loads(raw), time.monotonic())
            with lock:
                number = len(endpoint.requests)
                endpoint.requests.append(request)
                under_way += 1
                endpoint.together = max(endpoint.together, under_way)
            found = reply(request, number)
            time.sleep(found.delay)
            with lock:
                under_way -= 1
            if found.hang_up:
                self.close_connection = True
                return
            body = found.body if found.content is None else json.dumps({"choices": [{"message": {"content": found.content}}]}).encode()
            try:
                self.send_response(found.status)
                for name, value in found.headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                for part in [body[place : place + 1] for place in range(len(body))] if found.drip else [body]:
                    time.sleep(found.drip)
                    self.wfile.write(part)
            except OSError:  # the client has gone, as clients do after their timeout
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    endpoint = Endpoint(f"http://127.0.0.1:{server.server_port}/v1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield endpoint
    finally:
        server.shutdown()
        server.server_close()
