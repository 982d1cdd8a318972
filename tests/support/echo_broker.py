"""A server that says back whatever it is told, keys included: the worst thing a vendor can do."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODES = ("garbage", "refused", "unprocessable", "unauthorized", "broken", "moved", "cut", "strange")
_STATUS = {
    "garbage": 200,
    "refused": 403,
    "unprocessable": 422,
    "unauthorized": 401,
    "broken": 500,
    "moved": 302,
    "cut": 200,
    "strange": 200,
}


class EchoBroker(ThreadingHTTPServer):
    """Answers every request with its own headers, in the way that `mode` says."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.mode = "garbage"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: EchoBroker

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        mode, said = self.server.mode, _keys_first(dict(self.headers.items()))
        told = json.dumps(said)
        if self.command == "GET" and self.path == "/v2/account":
            mode = "strange"
            money = dict.fromkeys(("cash", "equity", "buying_power"), "1000")
            account = {"id": "A", "account_number": "PA1", "status": "ACTIVE"}
            body = json.dumps({**account, **money, "you": said})
        elif mode in ("refused", "unprocessable", "unauthorized"):
            body = json.dumps({"code": 40310000, "message": f"no: {told}"})
        elif mode == "strange":
            body = json.dumps({"id": said, "status": told, "client_order_id": told, "qty": told})
        else:
            body = f"<html>{told}</html>"
        self.send_response(_STATUS[mode])
        self.send_header("Location", f"http://127.0.0.1/{json.dumps(said)}")
        self.send_header("X-You-Said", told)
        self.send_header("Content-Length", str(len(body) + (100 if mode == "cut" else 0)))
        self.end_headers()
        self.wfile.write(body.encode())
        self.close_connection = True

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - named by the library


def _keys_first(headers: dict[str, str]) -> dict[str, str]:
    """Where an excerpt would hold them."""
    return dict(sorted(headers.items(), key=lambda header: not header[0].startswith("APCA")))


@contextmanager
def echo_broker() -> Iterator[EchoBroker]:
    """One that runs, and is ended."""
    server = EchoBroker()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
