"""Real servers on this machine that take word of failures: a webhook and a mail server."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@contextmanager
def webhook(status: int = 200) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Its address, and what was posted to it."""
    posted: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with _running(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as port:
        yield f"http://127.0.0.1:{port}/hook", posted


@contextmanager
def mail_server() -> Iterator[tuple[int, list[str]]]:
    """Its port, and the messages it accepted; what RFC 5321 asks of a server at least, and AUTH PLAIN."""
    accepted: list[str] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.say("220 local")
            for line in iter(lambda: self.rfile.readline().decode().strip(), ""):
                command = line.split(" ")[0].upper()
                if command == "EHLO":
                    self.say("250-local\r\n250 AUTH PLAIN")
                elif command == "AUTH":
                    self.say("235 welcome" if line.endswith("AG1lAHNlY3JldA==") else "535 no")
                elif command == "DATA":
                    self.say("354 go on")
                    accepted.append("".join(iter(lambda: self._line(), ".\r\n")))
                    self.say("250 taken")
                elif command == "QUIT":
                    self.say("221 bye")
                    return
                else:
                    self.say("250 fine")

        def _line(self) -> str:
            return self.rfile.readline().decode()

        def say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    with _running(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)) as port:
        yield port, accepted


@contextmanager
def _running(server: Any) -> Iterator[int]:
    with server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()
