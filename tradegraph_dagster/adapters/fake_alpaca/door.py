"""A listening port on loopback: HTTP/1.1 with kept connections, and every way to break one."""

from __future__ import annotations

import selectors
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from email.utils import format_datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tradegraph_dagster.adapters.fake_alpaca.exchange import Delivery, Patience, wire_body
from tradegraph_dagster.adapters.fake_alpaca.wire import Request, to_datetime

HOST = "127.0.0.1"
POLL_SECONDS = 0.02
JOIN_SECONDS = 5.0
# Linger on, for no time: closing sends a reset.
_RESET = struct.pack("ii", 1, 0)
Responding = Callable[[Request, Patience], Delivery]


class Door:
    """One port; it can be closed, so that connections are refused, and opened again.

    Args:
        respond: What answers requests.
        port: 0 is any free one; it stays the same when the door is opened again.
    """

    def __init__(self, respond: Responding, port: int = 0) -> None:
        self._respond = respond
        self._port = port
        self._lock = threading.RLock()
        self._closed = threading.Event()
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self._timer: threading.Timer | None = None
        self.open()

    @property
    def url(self) -> str:
        """Where it listens, or listened."""
        return f"http://{HOST}:{self._port}"

    def open(self) -> None:
        """Take connections; nothing happens where it is open."""
        with self._lock:
            self._cancel_timer()
            if self._server is not None:
                return
            self._server = _Server((HOST, self._port), self)
            self._port = int(self._server.server_address[1])
            self._thread = threading.Thread(
                target=self._server.serve_forever, args=(POLL_SECONDS,), daemon=True
            )
            self._thread.start()
            self._closed.clear()

    def close(self, seconds: float | None = None) -> None:
        """Refuse connections and end those there are; opens by itself after so many seconds."""
        with self._lock:
            self._cancel_timer()
            server, self._server = self._server, None
            if server is not None:
                server.stop()
            if self._thread is not None:
                self._thread.join(JOIN_SECONDS)
            self._closed.set()
            if seconds is not None:
                self._timer = threading.Timer(seconds, self.open)
                self._timer.daemon = True
                self._timer.start()

    def wait_until_closed(self, timeout_s: float) -> bool:
        """Wait for a close that a request has brought about; whether it came in time."""
        return self._closed.wait(timeout_s)

    def respond(self, request: Request, patience: Patience) -> Delivery:
        """Answer one request."""
        return self._respond(request, patience)

    def close_soon(self, seconds: float) -> None:
        """Close from within a request, which cannot wait for its own end."""
        until = seconds if seconds >= 0 else None
        threading.Thread(target=self.close, args=(until,), daemon=True).start()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], door: Door) -> None:
        self.door = door
        self.stopping = threading.Event()
        self._open: dict[threading.Thread, socket.socket] = {}
        self._guard = threading.Lock()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(
            target=self._serve_one, args=(request, client_address), daemon=True
        )
        with self._guard:
            self._open[thread] = request
        thread.start()

    def _serve_one(self, request: Any, client_address: Any) -> None:
        try:
            self.process_request_thread(request, client_address)
        finally:
            with self._guard:
                self._open.pop(threading.current_thread(), None)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up or is killed is nothing to report; anything else is."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def stop(self) -> None:
        """End the port, its connections and their threads."""
        self.stopping.set()
        self.shutdown()
        self.server_close()
        with self._guard:
            left = dict(self._open)
        for connection in left.values():
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in left:
            if thread is not threading.current_thread():
                thread.join(JOIN_SECONDS)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        target = urlsplit(self.path)
        request = Request(
            self.command,
            _path(target.path),
            dict(parse_qsl(target.query, keep_blank_values=True)),
            {name.lower(): value for name, value in self.headers.items()},
            self.rfile.read(length),
        )
        door, patience = self.server.door, _Waiting(self.connection, self.server.stopping)
        delivery = door.respond(request, patience)
        self._deliver(delivery)
        if delivery.sent is not None:
            delivery.sent()
        if delivery.close_door_s is not None:
            door.close_soon(delivery.close_door_s)

    def _deliver(self, delivery: Delivery) -> None:
        """Put it on the wire, or what is left of it."""
        answer = delivery.answer
        is_broken = answer is None or delivery.cut_body < 1.0
        if delivery.reset:
            with suppress(OSError):
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.close_connection = self.close_connection or is_broken or delivery.reset
        if answer is None:
            return
        body = wire_body(delivery)
        head = _head(delivery, body)
        shown = body[: int(len(body) * delivery.cut_body)]
        # A client that stopped waiting is no failure of the server.
        with suppress(OSError):
            self.connection.sendall(head + shown)

    def log_message(self, format: str, *args: Any) -> None:
        """Stay quiet."""

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = _serve  # noqa: N815


class _Waiting:
    """Waits beside a connection."""

    def __init__(self, connection: socket.socket, stopping: threading.Event) -> None:
        self._connection = connection
        self._stopping = stopping

    def wait(self, seconds: float) -> bool:
        """Wait; False as soon as the client has hung up or the server stops."""
        ends = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self._connection, selectors.EVENT_READ)
            while (left := ends - time.monotonic()) > 0:
                if self._stopping.is_set():
                    return False
                if selector.select(min(left, POLL_SECONDS)) and self._is_gone():
                    return False
        return True

    def _is_gone(self) -> bool:
        try:
            return self._connection.recv(1, socket.MSG_PEEK) == b""
        except OSError:
            return True


def _path(written: str) -> str:
    """The path without a leading `/@host`, by which one server stands for several hosts."""
    path = unquote(written)
    return "/" + path[2:].partition("/")[2] if path.startswith("/@") else path


def _head(delivery: Delivery, body: bytes) -> bytes:
    """Status line and headers."""
    answer = delivery.answer
    assert answer is not None
    named = {name.lower() for name in answer.headers}
    is_page = body.lstrip()[:1] == b"<"
    headers = {
        "Date": format_datetime(to_datetime(delivery.now), usegmt=True),
        "Content-Type": "text/html" if is_page else "application/json; charset=UTF-8",
    }
    lines = [f"HTTP/1.1 {answer.status} {_phrase(answer.status)}"]
    lines += [f"{name}: {value}" for name, value in headers.items() if name.lower() not in named]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    if answer.status != HTTPStatus.NO_CONTENT:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
