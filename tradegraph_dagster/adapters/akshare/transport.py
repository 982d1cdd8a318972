"""Runs akshare functions over `Wire` and turns what they raise into our errors.

What a call may end in:

    seen                                                     error
    no connection, a time-out, a broken body                 SourceUnavailable
    status 403, 408, 429, 456, 5xx; redirect elsewhere       SourceUnavailable
    None (akshare gave up inside)                            SourceUnavailable
    another 4xx; a host that is no vendor's                  SourceRefused
    an HTML page where data was expected; an empty body      SourceSuspect
    a body that cannot be parsed, other fields than known    SchemaError
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

from tradegraph_dagster.adapters.akshare.options import AkshareOptions
from tradegraph_dagster.adapters.akshare.wire import Pace, Wire
from tradegraph_dagster.domain.core.errors import SchemaError, SourceSuspect, SourceUnavailable
from tradegraph_dagster.recordings import RawAnswer, write_recording

# `HTTPAdapter.send` is replaced for the whole process while a call runs.
_PATCH_LOCK = threading.Lock()
_EXCERPT_CHARACTERS = 80
_PAGE_STARTS = (b"<!doctype", b"<html", b"<head", b"<body", b"<script", b"<?xml")


class VendorCalls:
    """Calls of one vendor.

    Args:
        source: Name of the source, for messages.
        options: Time-outs, pace and folders.
        sleep: Waits that many seconds.
        monotonic: Seconds on a clock that never goes back.
        random: Jitter of the pace.

    Attributes:
        answers: Raw answers of the newest call, in the order they came.
    """

    def __init__(
        self,
        source: str,
        options: AkshareOptions,
        *,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        random: Random | None = None,
    ) -> None:
        self.source = source
        self.answers: list[RawAnswer] = []
        self._options = options
        self._pace = Pace(options.interval_s, sleep, monotonic, random or Random(source))

    @property
    def shown_at(self) -> datetime | None:
        """When the vendor gave the last answer of the newest call, by its own clock."""
        return self.answers[-1].shown_at if self.answers else None

    def call(self, function: str, /, *, page: bool = False, **arguments: Any) -> Any:
        """What an akshare function returns.

        Args:
            function: Its name in akshare.
            page: Whether the vendor answers a page or a file, which is then no sign of a ban.
            **arguments: Its arguments.

        Raises:
            SourceUnavailable: As in the table above.
            SourceSuspect: As above.
            SourceRefused: As above.
            SchemaError: As above; the message names the file that keeps the body.
        """
        import akshare

        asked = f"{function}({', '.join(f'{k}={v!r}' for k, v in arguments.items())})"
        called = getattr(akshare, function)
        if hasattr(called, "cache_clear"):
            # It keeps its first answer for as long as the process lives.
            called.cache_clear()
        result = self._run(asked, lambda: called(**arguments), page=page)
        if result is None:
            raise SourceUnavailable(
                f"source {self.source}: {asked} gave up without an answer; "
                "ask again later or ask another source"
            )
        return result

    def fetch(
        self, url: str, params: Mapping[str, str] | None = None, *, page: bool = False
    ) -> bytes:
        """Body of a GET. Raises as `call` does."""
        import requests

        def get() -> bytes:
            return requests.get(url, params=dict(params or {}), timeout=None).content

        return self._run(url, get, page=page)  # type: ignore[no-any-return]

    def unreadable(self, asked: str, found: str) -> SchemaError:
        """The error for an answer that was parsed by us and does not fit; its body is kept."""
        return SchemaError(
            f"source {self.source}: {asked} cannot be read, {found}; {self._keep_body()}; "
            "ask another source, and mend the adapter if the vendor has changed"
        )

    def _run(self, asked: str, function: Callable[[], Any], *, page: bool) -> Any:
        from requests import RequestException

        wire = Wire(self.source, asked, self._options, self._pace)
        try:
            with _sending_through(wire):
                result = function()
        except _parser_errors() as error:
            self._judge_wire(wire, asked, page=page)
            raise self.unreadable(asked, f"found {type(error).__name__}: {error}") from error
        except RequestException as error:
            self._judge_wire(wire, asked, page=page)
            raise SourceUnavailable(
                f"source {self.source}: {asked} failed with {type(error).__name__}: {error}; "
                "ask again later or ask another source"
            ) from error
        self._judge_wire(wire, asked, page=page)
        return result

    def _judge_wire(self, wire: Wire, asked: str, *, page: bool) -> None:
        """Raise what went wrong below akshare, which may have hidden it or failed over it."""
        self.answers = wire.answers
        if wire.failure is not None:
            raise wire.failure
        if self._options.record_dir is not None:
            for answer in wire.answers:
                write_recording(Path(self._options.record_dir), answer)
        for answer in wire.answers:
            start = answer.body[:200].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
            if 300 <= answer.status < 400:
                continue
            if not start:
                found = "an empty body"
            elif not page and start.startswith(_PAGE_STARTS):
                found = "a page"
            else:
                continue
            raise SourceSuspect(
                f"source {self.source}: expected data of {answer.url} for {asked}, found {found}; "
                f"{self._keep_body()}; ask more slowly, later, or ask another source"
            )

    def _keep_body(self) -> str:
        """Where the last body lies, and how it starts."""
        if not self.answers:
            return "nothing was answered"
        body = self.answers[-1].body
        start = f"the body starts {body[:_EXCERPT_CHARACTERS].decode('utf-8', 'replace')!r}"
        if self._options.quarantine_dir is None:
            return start
        folder = Path(self._options.quarantine_dir) / self.source
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{hashlib.sha256(body).hexdigest()[:16]}.body"
        path.write_bytes(body)
        return f"{start} and is kept in {path}"


def _parser_errors() -> tuple[type[Exception], ...]:
    """What akshare and its parsers of JSON, JavaScript and workbooks raise over a strange body."""
    from struct import error as struct_error
    from zipfile import BadZipFile

    from akshare.utils.demjson import JSONException
    from py_mini_racer.py_mini_racer import MiniRacerBaseException
    from xlrd.biffh import XLRDError
    from xlrd.compdoc import CompDocError

    ours = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError)
    workbooks = (BadZipFile, XLRDError, CompDocError, struct_error)
    return (*ours, JSONException, MiniRacerBaseException, *workbooks)


@contextmanager
def _sending_through(wire: Wire) -> Iterator[None]:
    """Send what this thread asks for through the wire; other threads are left alone."""
    from requests.adapters import HTTPAdapter

    owner = threading.get_ident()
    with _PATCH_LOCK:
        original = HTTPAdapter.send

        def send(adapter: Any, request: Any, *args: Any, **given: Any) -> Any:
            if threading.get_ident() != owner:
                return original(adapter, request, *args, **given)
            return wire.send(original, adapter, request, **given)

        HTTPAdapter.send = send  # type: ignore[method-assign,assignment]
        try:
            yield
        finally:
            HTTPAdapter.send = original  # type: ignore[method-assign]
