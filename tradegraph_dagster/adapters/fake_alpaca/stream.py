"""The trade-updates stream: a websocket that speaks in binary frames, as the paper host does."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from tradegraph_dagster.adapters.fake_alpaca.account import Account

if TYPE_CHECKING:
    from websockets.sync.server import ServerConnection

HOST = "127.0.0.1"
PATH = "/stream"
Authenticating = Callable[[str, str], Account | None]


class Stream:
    """Tells listeners of each account what happens to its orders; nothing is ever repeated.

    Args:
        authenticate: The account of a key id and secret, None where they are not a pair.
        port: 0 is any free one.
    """

    def __init__(self, authenticate: Authenticating, port: int = 0) -> None:
        from websockets.sync.server import serve

        self._authenticate = authenticate
        self._server = serve(self._serve, HOST, port, compression=None)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"ws://{HOST}:{self._server.socket.getsockname()[1]}{PATH}"

    def stop(self) -> None:
        """End the port and its connections."""
        self._server.shutdown()
        self._thread.join()

    def _serve(self, connection: ServerConnection) -> None:
        from websockets.exceptions import ConnectionClosed

        if connection.request is None or connection.request.path != PATH:
            connection.close(1008, "the stream is at /stream")
            return
        session = _Session(connection)
        try:
            for frame in connection:
                session.hear(frame, self._authenticate)
        except ConnectionClosed:
            pass
        finally:
            session.end()


class _Session:
    """One connection: what it was told, and the thread that sends what happens."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection
        self._account: Account | None = None
        self._stop: Callable[[], None] | None = None
        self._queue: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
        self._sender: threading.Thread | None = None

    def hear(self, frame: str | bytes, authenticate: Authenticating) -> None:
        """Act on one message of the client."""
        try:
            said = json.loads(frame)
            action, data = said["action"], said.get("data") or {}
        except (ValueError, KeyError, TypeError):
            return
        if action == "authenticate":
            self._account = authenticate(str(data.get("key_id")), str(data.get("secret_key")))
            self._reply_authorization(action)
        elif action == "listen" and self._account is None:
            self._reply_authorization(action)
        elif action == "listen" and self._account is not None:
            streams = [name for name in data.get("streams", ()) if name == "trade_updates"]
            self._listen(self._account, is_wanted=bool(streams))
            self._send({"stream": "listening", "data": {"streams": streams}})

    def end(self) -> None:
        """Stop listening and sending."""
        if self._stop is not None:
            self._stop()
        self._queue.put(None)
        if self._sender is not None:
            self._sender.join()

    def _listen(self, account: Account, *, is_wanted: bool) -> None:
        if self._stop is not None:
            self._stop()
            self._stop = None
        if is_wanted:
            self._stop = account.listen(self._queue.put)
            if self._sender is None:
                self._sender = threading.Thread(target=self._pump, daemon=True)
                self._sender.start()

    def _pump(self) -> None:
        while (message := self._queue.get()) is not None:
            self._send(message)
        self._connection.close()

    def _reply_authorization(self, action: str) -> None:
        status = "unauthorized" if self._account is None else "authorized"
        self._send({"stream": "authorization", "data": {"status": status, "action": action}})

    def _send(self, message: dict[str, Any]) -> None:
        from websockets.exceptions import ConnectionClosed

        with suppress(ConnectionClosed):
            self._connection.send(json.dumps(message, separators=(",", ":")).encode())
