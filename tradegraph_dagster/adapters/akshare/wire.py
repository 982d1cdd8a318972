"""One vendor request: paced, bounded in time and size, retried, and judged by its status.

akshare calls `requests.get` at module level, mostly without a time-out and without a look at the
status. Every request of akshare passes through `Wire.send` instead, which raises our errors before
akshare can parse a ban page as an empty day.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tradegraph_dagster.adapters.akshare.options import AkshareOptions
from tradegraph_dagster.domain.core.errors import (
    SourceError,
    SourceRefused,
    SourceSuspect,
    SourceUnavailable,
)
from tradegraph_dagster.recordings import RawAnswer

if TYPE_CHECKING:
    from requests import PreparedRequest, Response

VENDOR_DOMAINS = (
    "eastmoney.com",
    "sina.com.cn",
    "sina.cn",
    "gtimg.cn",
    "qq.com",
    "sse.com.cn",
    "szse.cn",
    "bse.cn",
    "csindex.com.cn",
)
HOST_HEADER = "X-Replay-Host"
MAX_BODY_BYTES = 64 * 1024 * 1024
LONGEST_RETRY_AFTER_S = 60.0
# 456 is Sina's ban. Asking again makes a ban longer, so these two are not retried.
BANNED = frozenset({403, 456})
BUSY = frozenset({408, 418, 425, 429})
IDEMPOTENT = frozenset({"GET", "HEAD"})

Send = Callable[..., "Response"]


@dataclass
class Pace:
    """Keeps requests apart.

    Attributes:
        interval_s: Shortest time between two; up to half of it is added at random.
        sleep: Waits that many seconds.
        monotonic: Seconds on a clock that never goes back.
        random: Source of the addition.
    """

    interval_s: float
    sleep: Callable[[float], None]
    monotonic: Callable[[], float]
    random: Random
    _next: float | None = field(default=None, init=False)

    def wait(self) -> None:
        """Return when the next request may be sent."""
        if not self.interval_s:
            return
        early = 0.0 if self._next is None else self._next - self.monotonic()
        if early > 0:
            self.sleep(early)
        self._next = self.monotonic() + self.interval_s * (1 + self.random.uniform(0, 0.5))


class _Again(Exception):  # noqa: N818
    """An attempt failed in a way that another one may not."""

    def __init__(self, error: SourceError, wait_s: float = 0.0) -> None:
        super().__init__(str(error))
        self.error = error
        self.wait_s = wait_s


class Wire:
    """Sends the requests of one call.

    Attributes:
        answers: What came back, in the order asked.
        failure: The first error of ours, kept because akshare swallows some exceptions.
    """

    def __init__(self, source: str, asked: str, options: AkshareOptions, pace: Pace) -> None:
        self.answers: list[RawAnswer] = []
        self.failure: SourceError | None = None
        self._where = f"source {source}, {asked}"
        self._options = options
        self._pace = pace

    def send(self, send: Send, adapter: Any, request: PreparedRequest, **given: Any) -> Response:
        """Send one request as `HTTPAdapter.send` would, or raise.

        Raises:
            SourceUnavailable: No answer, or a status that says busy, banned or broken.
            SourceSuspect: More than 64 MiB.
            SourceRefused: A host that is no vendor's, or a status that no repetition mends.
        """
        try:
            self._require_vendor(str(request.url))
            return self._attempts(send, adapter, request, given)
        except SourceError as error:
            self.failure = self.failure or error
            raise

    def _attempts(
        self, send: Send, adapter: Any, request: PreparedRequest, given: dict[str, Any]
    ) -> Response:
        waits = list(self._options.retry_waits_s) if request.method in IDEMPOTENT else []
        while True:
            self._pace.wait()
            try:
                return self._attempt(send, adapter, request, given)
            except _Again as failed:
                if not waits or failed.wait_s > LONGEST_RETRY_AFTER_S:
                    raise failed.error from failed.__cause__
                self._pace.sleep(max(waits.pop(0), failed.wait_s))

    def _attempt(
        self, send: Send, adapter: Any, request: PreparedRequest, given: dict[str, Any]
    ) -> Response:
        from requests import RequestException
        from urllib3.exceptions import HTTPError

        url = str(request.url)
        options = self._options
        try:
            response = send(
                adapter,
                self._prepared(request),
                **{
                    **given,
                    "stream": True,
                    "timeout": (options.connect_timeout_s, options.read_timeout_s),
                    # Proxies of the environment would see, and could change, every answer.
                    "proxies": {},
                },
            )
            with response:
                body = self._read(response)
        except (RequestException, HTTPError) as error:
            raise _Again(
                self._unavailable(url, f"found {type(error).__name__}: {error}")
            ) from error
        response.url, response._content = url, body
        self._judge(response, url)
        self.answers.append(_raw_answer(request, response, body))
        return response

    def _prepared(self, request: PreparedRequest) -> PreparedRequest:
        """The request without credentials of the environment, and to the replay if one is set."""
        prepared = request.copy()
        prepared.headers.pop("Authorization", None)
        if self._options.replay_url is not None:
            asked = urlsplit(str(request.url))
            prepared.headers[HOST_HEADER] = asked.netloc
            path = asked.path + (f"?{asked.query}" if asked.query else "")
            prepared.url = self._options.replay_url.rstrip("/") + path
        return prepared

    def _read(self, response: Response) -> bytes:
        until = self._pace.monotonic() + self._options.answer_timeout_s
        url, parts, size = str(response.url), [], 0
        for part in response.iter_content(1 << 16):
            parts.append(part)
            size += len(part)
            if size > MAX_BODY_BYTES:
                raise SourceSuspect(
                    f"{self._where}: {_place(url)} answered more than {MAX_BODY_BYTES} bytes; "
                    "ask again later or ask another source"
                )
            if self._pace.monotonic() > until:
                late = f"no whole answer within {self._options.answer_timeout_s} s"
                raise _Again(self._unavailable(url, late))
        return b"".join(parts)

    def _judge(self, response: Response, url: str) -> None:
        status = response.status_code
        if status < 300:
            return
        if status < 400:
            self._judge_redirect(response, url)
        elif status in BANNED:
            raise self._unavailable(url, f"found status {status}, which is a ban; ask more slowly")
        elif status in BUSY or status >= 500:
            error = self._unavailable(url, f"found status {status}")
            raise _Again(error, _retry_after(response))
        else:
            raise SourceRefused(
                f"{self._where}: {_place(url)} answered status {status}; "
                "the vendor has changed it or never had it, mend the adapter or ask another source"
            )

    def _judge_redirect(self, response: Response, url: str) -> None:
        target = urlsplit(response.headers.get("Location", ""))
        asked = urlsplit(url)
        elsewhere = target.netloc not in ("", asked.netloc)
        if elsewhere or target.scheme not in ("", "https", asked.scheme):
            raise self._unavailable(
                url, f"found status {response.status_code} to {target.netloc or target.scheme}"
            )

    def _require_vendor(self, url: str) -> None:
        host = urlsplit(url).hostname or ""
        if not any(host == name or host.endswith(f".{name}") for name in VENDOR_DOMAINS):
            raise SourceRefused(
                f"{self._where}: expected a host of {', '.join(VENDOR_DOMAINS)}, found "
                f"{host or url!r}; nothing was sent, mend the adapter"
            )

    def _unavailable(self, url: str, found: str) -> SourceUnavailable:
        return SourceUnavailable(
            f"{self._where}: expected an answer of {_place(url)}, {found}; "
            "ask again later or ask another source"
        )


def _place(url: str) -> str:
    """Host and path; the query repeats what was asked and is long."""
    parts = urlsplit(url)
    return f"{parts.hostname}{parts.path}"


def _raw_answer(request: PreparedRequest, response: Response, body: bytes) -> RawAnswer:
    # akshare sends forms only, which requests has encoded by now.
    sent = request.body if isinstance(request.body, str | bytes) else b""
    return RawAnswer(
        method=str(request.method),
        url=str(request.url),
        sent=sent.encode() if isinstance(sent, str) else sent,
        status=response.status_code,
        content_type=response.headers.get("Content-Type", ""),
        shown_at=_http_date(response.headers.get("Date")),
        body=body,
    )


def _http_date(text: str | None) -> datetime | None:
    try:
        shown = None if text is None else parsedate_to_datetime(text)
    except ValueError:
        return None
    return None if shown is None or shown.tzinfo is None else shown.astimezone(UTC)


def _retry_after(response: Response) -> float:
    """Seconds the vendor asks to be left alone; a date, which no vendor sends, counts as none."""
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdecimal() else 0.0
