"""A loopback server that stands for many vendor hosts and answers from routes, or fails on cue.

The host asked for is in the header `X-Replay-Host`, or the first path segment behind an `@`
(`/@data.alpaca.markets/v2/...`), or the server's `default_host`. A request that no route answers is
recorded in `unknown` and gets status 599, so that a test never passes on a request it did not
foresee.
"""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import parse_qsl, urlsplit

HOST_HEADER = "X-Replay-Host"
UNKNOWN_STATUS = 599
# Parameters that differ from call to call and mean nothing.
CACHE_BUSTERS = frozenset({"_", "ut", "cb", "r", "rn", "random", "timestamp"})
JSON = "application/json; charset=utf-8"
# Fixed, so that the same question has the same answer to the byte.
SHOWN = "Wed, 30 Sep 2026 10:00:00 GMT"
HOLD_SECONDS = 30.0


@dataclass(frozen=True)
class Asked:
    """One request as the server saw it; `query` is without cache busters."""

    method: str
    host: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def key(self) -> tuple[str, str, str, tuple[tuple[str, str], ...]]:
        """What routes are found by."""
        return (self.method, self.host, self.path, tuple(sorted(self.query.items())))


@dataclass(frozen=True)
class Reply:
    """What the server answers."""

    body: bytes
    status: int = 200
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Fault:
    """What happens to one request instead of its answer.

    drop_before: the connection closes without an answer.
    drop_mid_body: it closes after half of the announced body.
    hold: nothing is answered until the server stops, or for 30 s.
    answer: `reply` is answered.
    """

    kind: Literal["drop_before", "drop_mid_body", "hold", "answer"]
    reply: Reply | None = None


DROP_BEFORE = Fault("drop_before")
DROP_MID_BODY = Fault("drop_mid_body")
HOLD = Fault("hold")
Answering = Callable[[Asked], Reply | None]


def status(code: int, body: str | bytes = b"{}", **headers: str) -> Fault:
    """A fault that answers with a status; `Retry_After="1"` is the header Retry-After."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Fault("answer", Reply(_as_bytes(body), code, headers=named))


def body_raw(body: str | bytes, content_type: str = JSON, **headers: str) -> Fault:
    """A fault that answers 200 with another body than the route's, and headers as `status`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Fault("answer", Reply(_as_bytes(body), 200, content_type, named))


def closed_port_url() -> str:
    """A URL at which a connection is refused."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


class ReplayServer:
    """Use it as a context manager; routes and faults may be added while it runs.

    Attributes:
        asked: Every request, in the order of arrival.
        unknown: Requests that no route answered.
    """

    def __init__(self, *, default_host: str = "") -> None:
        self.asked: list[Asked] = []
        self.unknown: list[Asked] = []
        self._default_host = default_host
        self._exact: dict[Any, Reply] = {}
        self._answering: list[tuple[str, str, Answering]] = []
        self._faults: list[tuple[str, str, Fault]] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def add(
        self,
        host: str,
        path: str,
        reply: Reply | str | bytes,
        *,
        query: Mapping[str, str] | None = None,
        method: str = "GET",
    ) -> None:
        """Answer one exact request, cache busters apart; no query matches an empty one only."""
        asked = Asked(method, host, path, _without_busters((query or {}).items()), {}, b"")
        self._exact[asked.key] = reply if isinstance(reply, Reply) else Reply(_as_bytes(reply))

    def answer(self, host: str, path: str, answering: Answering) -> None:
        """Answer every request of a path with a function, any method and query; None is 599."""
        self._answering.append((host, path, answering))

    def load(self, folder: Path) -> int:
        """Add every recording of a folder; returns how many."""
        paths = sorted(folder.glob("*.json"))
        for path in paths:
            one = json.loads(path.read_text(encoding="utf-8"))
            body = base64.b64decode(one["base64"]) if "base64" in one else one["text"].encode()
            headers = {} if one["date"] is None else {"Date": one["date"]}
            reply = Reply(body, one["status"], one["content_type"], headers)
            query = {name: value for name, value in one["query"]}
            self.add(one["host"], one["path"], reply, query=query, method=one["method"])
        return len(paths)

    def fail(self, *faults: Fault, host: str = "", path: str = "", times: int = 1) -> None:
        """Let the next requests fail, one fault each, the whole row `times` times; then normal.

        Empty `host` or `path` is any; `path` is a prefix.
        """
        with self._lock:
            self._faults.extend((host, path, fault) for _ in range(times) for fault in faults)

    def heal(self) -> None:
        """Forget the faults that have not happened yet."""
        with self._lock:
            self._faults.clear()

    def _take_fault(self, asked: Asked) -> Fault | None:
        with self._lock:
            self.asked.append(asked)
            for position, (host, path, fault) in enumerate(self._faults):
                if host in ("", asked.host) and asked.path.startswith(path):
                    del self._faults[position]
                    return fault
        return None

    def _route(self, asked: Asked) -> Reply:
        found = self._exact.get(asked.key)
        for host, path, answering in self._answering:
            if found is None and (host, path) == (asked.host, asked.path):
                found = answering(asked)
        if found is not None:
            return found
        with self._lock:
            self.unknown.append(asked)
        text = f"no route for {asked.method} {asked.host}{asked.path} {dict(asked.query)}"
        return Reply(text.encode(), UNKNOWN_STATUS, "text/plain; charset=utf-8")

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                self.close_connection = True
                length = int(self.headers.get("Content-Length") or 0)
                asked = outer._read(self.command, self.path, self.headers, self.rfile.read(length))
                fault = outer._take_fault(asked)
                if fault is None:
                    self._send(outer._route(asked))
                elif fault.kind == "answer":
                    assert fault.reply is not None
                    self._send(fault.reply)
                elif fault.kind == "hold":
                    outer._stopping.wait(HOLD_SECONDS)
                elif fault.kind == "drop_mid_body":
                    self._send(outer._route(asked), whole=False)

            def _send(self, reply: Reply, *, whole: bool = True) -> None:
                headers = {"Date": SHOWN, "Content-Type": reply.content_type, **reply.headers}
                self.send_response_only(reply.status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body)))
                self.send_header("Connection", "close")
                self.end_headers()
                body = reply.body if whole else reply.body[: len(reply.body) // 2]
                # A client that stopped waiting is no failure of the server.
                with suppress(ConnectionError):
                    self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Stay quiet."""

            do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = _serve  # noqa: N815

        return Handler

    def _read(self, method: str, target: str, headers: Any, body: bytes) -> Asked:
        parts = urlsplit(target)
        host, path = headers.get(HOST_HEADER, self._default_host), parts.path
        if path.startswith("/@"):
            host, _, rest = path[2:].partition("/")
            path = f"/{rest}"
        query = _without_busters(parse_qsl(parts.query, keep_blank_values=True))
        return Asked(method, host, path, query, dict(headers.items()), body)


def _without_busters(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {name: value for name, value in pairs if name not in CACHE_BUSTERS}


def _as_bytes(body: str | bytes) -> bytes:
    return body.encode() if isinstance(body, str) else body
