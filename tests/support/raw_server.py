"""A loopback server that answers byte for byte what a test says, or breaks off in the middle."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

# An answer to a request, byte for byte; what comes after them is in Act.
RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Request:
    """One request as it arrived."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def fields(self) -> dict[str, Any]:
        """The body's JSON."""
        return json.loads(self.body)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Act:
    """What is written, and how it ends: `close`, `reset`, or `hold` until the server ends."""

    written: bytes = b""
    end: str = "close"


def say(
    status: int, body: Any = None, *, headers: Mapping[str, str] | None = None, text: str = ""
) -> Act:
    """A whole answer with a JSON body, or with `text` as it is."""
    content = (text if body is None else json.dumps(body)).encode()
    lines = {"Content-Length": str(len(content)), "Connection": "close", **(headers or {})}
    head = f"HTTP/1.1 {status} X\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items())
    return Act(head.encode() + b"\r\n" + content)


def cut(act: Act, left_out: int, end: str = "close") -> Act:
    """The answer without its last bytes."""
    return Act(act.written[:-left_out], end)


@dataclass
class RawServer:
    """Answers requests with its acts, one after another; `answer` is asked once they are used up.

    Attributes:
        acts: What is still to happen.
        answer: What happens afterwards.
        requests: What arrived.
    """

    acts: list[Act] = field(default_factory=list)
    answer: Callable[[Request], Act] = field(default=lambda request: say(599))
    requests: list[Request] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._over = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._serve, daemon=True)]
        self._threads[0].start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join(10)

    @property
    def url(self) -> str:
        """Where it listens."""
        host, port = self._listening.getsockname()
        return f"http://{host}:{port}"

    @property
    def methods(self) -> list[str]:
        """Method and path of what arrived, without the query."""
        return [f"{one.method} {one.target.partition('?')[0]}" for one in self.requests]

    def _serve(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._converse, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _converse(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            request = _read(connection)
            if request is None:
                return
            self.requests.append(request)
            act = self.acts.pop(0) if self.acts else self.answer(request)
            connection.sendall(act.written)
            if act.end == "hold":
                self._over.wait(30)
            if act.end == "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def _read(connection: socket.socket) -> Request | None:
    received = b""
    while b"\r\n\r\n" not in received:
        more = connection.recv(65_536)
        if not more:
            return None
        received += more
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.strip(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    while len(body) < int(headers.get("Content-Length", "0")):
        body += connection.recv(65_536)
    method, target, _ = first.split(" ", 2)
    return Request(method, target, headers, body)
