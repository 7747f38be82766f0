"""A web server on this machine whose answers, and misbehaviour, are a function's."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlparse


@dataclass
class Reply:
    """What the server says instead of its usual answer."""

    body: str | bytes = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drip: float = 0.0
    """Seconds between one byte of the body and the next."""
    announced: int | None = None
    """A Content-Length other than the body's true length."""


@dataclass(frozen=True)
class Request:
    """What a client asked for: path, first value of each query parameter, headers."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]


@contextmanager
def listening(answer: Callable[[Request], Reply]) -> Iterator[str]:
    """Serves on a free port; gives `http://127.0.0.1:<port>`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = urlparse(self.path)
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            reply = answer(Request(url.path, query, dict(self.headers)))
            time.sleep(reply.delay)
            body = reply.body.encode() if isinstance(reply.body, str) else reply.body
            try:
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(reply.announced or len(body)))
                self.end_headers()
                for piece in [body] if not reply.drip else [body[at : at + 1] for at in range(len(body))]:
                    self.wfile.write(piece)
                    time.sleep(reply.drip)
            except OSError:
                pass  # the client gave up waiting, as some tests want
            self.close_connection = reply.announced is not None

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # clients that gave up reset their connections

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
