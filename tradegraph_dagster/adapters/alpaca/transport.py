"""Asks Alpaca through alpaca-py's own clients and turns what can happen into our errors.

The clients come with no time-outs, with retries that cannot be bounded, and with a pager that takes
a page without a token for the last one. So they are only used to send one GET at a time. What an
answer may be:

    seen                                                      error
    no connection, a time-out, a broken body                  SourceUnavailable, after the retries
    status 408, 425, 429, 5xx                                 SourceUnavailable, after the retries
    401, 403, another 4xx                                     SourceRefused
    a redirect; an empty body, a page, a cut-off body         SourceSuspect
    a page of rows that never ends or comes twice             SourceSuspect
    JSON of another shape than known                          SchemaError
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import requests
from alpaca.common.exceptions import APIError
from alpaca.common.rest import RESTClient
from alpaca.data.historical.corporate_actions import CorporateActionsClient
from alpaca.data.historical.stock import StockHistoricalDataClient
from alpaca.trading.client import TradingClient
from requests.adapters import HTTPAdapter

from tradegraph_dagster.adapters.alpaca.options import AlpacaOptions
from tradegraph_dagster.domain.core.errors import (
    SchemaError,
    SourceRefused,
    SourceSuspect,
    SourceUnavailable,
)
from tradegraph_dagster.recordings import RawAnswer, write_recording

NAME = "alpaca"
BURST = 10
MAX_PAGES = 5_000
# Alpaca's limits are a minute long; a longer wait is left to whoever asked.
MAX_WAIT_S = 65.0
_TRANSIENT = (408, 425, 429)
_EXCERPT_CHARACTERS = 120


@dataclass(frozen=True)
class Page:
    """One answer.

    Attributes:
        body: The parsed JSON.
        shown_at: When Alpaca gave it, by its own clock; None where it does not say.
    """

    body: Any
    shown_at: datetime | None


class Pace:
    """A token bucket: `BURST` requests at once, then so many a minute.

    Args:
        per_minute: Requests a minute.
        monotonic: Seconds on a clock that never goes back.
        sleep: Waits that many seconds.
    """

    def __init__(
        self,
        per_minute: float,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._per_second = per_minute / 60.0
        self._monotonic = monotonic
        self.sleep = sleep
        self._tokens = float(BURST)
        self._filled_at = monotonic()

    def due_in(self) -> float:
        """Seconds until the next request may be sent."""
        now = self._monotonic()
        self._tokens = min(BURST, self._tokens + (now - self._filled_at) * self._per_second)
        self._filled_at = now
        return max((1.0 - self._tokens) / self._per_second, 0.0)

    def wait(self) -> None:
        """Return when the next request may be sent."""
        due = self.due_in()
        if due > 0.0:
            self.sleep(due)
            self._filled_at = self._monotonic()
            self._tokens = 1.0
        self._tokens -= 1.0

    def hold(self, seconds: float) -> None:
        """Let the next request wait at least that long."""
        self.due_in()
        self._tokens = min(self._tokens, 1.0 - seconds * self._per_second)


class AlpacaGateway:
    """GET requests to Alpaca's data and trading hosts.

    Args:
        options: Keys, hosts, time-outs and waits.
        pace: How fast; made from the options when None.

    Raises:
        ConfigError: A key is not set.
    """

    def __init__(self, options: AlpacaOptions, pace: Pace | None = None) -> None:
        self._waits = tuple(options.retry_waits_s)
        self._pace = pace or Pace(options.requests_per_minute)
        self._secrets = options.keys(f"source {NAME}")
        key, secret = self._secrets
        timeout = (options.connect_timeout_s, options.read_timeout_s)
        self._wire = Wire(timeout, self._record if options.record_dir else None)
        self._options = options
        data, trading = options.data_url, options.trading_url
        self._clients: Mapping[str, RESTClient] = {
            "bars": StockHistoricalDataClient(key, secret, raw_data=True, url_override=data),
            "actions": CorporateActionsClient(key, secret, raw_data=True, url_override=data),
            "trading": TradingClient(key, secret, raw_data=True, url_override=trading),
        }
        for client in self._clients.values():
            tame_client(client, self._wire)

    def bars(self, params: Mapping[str, Any]) -> Iterator[Page]:
        """Pages of /v2/stocks/bars, each `body` the mapping symbol -> list of bars."""
        return self._pages("bars", "/stocks/bars", params, "bars")

    def actions(self, params: Mapping[str, Any]) -> Iterator[Page]:
        """Pages of /v1/corporate-actions, each `body` the mapping kind -> list of events."""
        return self._pages("actions", "/corporate-actions", params, "corporate_actions")

    def assets(self, params: Mapping[str, Any]) -> Page:
        """The list of /v2/assets."""
        return self._listed(self._get("trading", "/assets", params), "/assets")

    def calendar(self, params: Mapping[str, Any]) -> Page:
        """The list of /v2/calendar."""
        return self._listed(self._get("trading", "/calendar", params), "/calendar")

    def _pages(self, client: str, path: str, params: Mapping[str, Any], key: str) -> Iterator[Page]:
        token, seen = None, set[str]()
        for _ in range(MAX_PAGES):
            asked = dict(params) if token is None else {**params, "page_token": token}
            page = self._get(client, path, asked)
            following = _require_page(page.body, path, key)
            rows = page.body[key]
            if token is not None and not any(rows.values()):
                raise SourceSuspect(
                    f"source {NAME}: {path} promised a further page and then answered an empty "
                    "one; rows were lost, ask again later or ask another source"
                )
            yield Page(rows, page.shown_at)
            if following is None:
                return
            if following in seen:
                break
            seen.add(following)
            token = following
        raise SourceSuspect(
            f"source {NAME}: {path} names the same page again, or more than {MAX_PAGES} of them; "
            "nothing of it is used, ask another source"
        )

    def _listed(self, page: Page, path: str) -> Page:
        if not isinstance(page.body, list) or not all(isinstance(one, dict) for one in page.body):
            raise SchemaError(
                f"source {NAME}: {path}: expected a list of objects, found "
                f"{_excerpt(page.body)}; mend the adapter if Alpaca has changed"
            )
        if not page.body:
            raise SourceSuspect(
                f"source {NAME}: {path} answered an empty list; ask again later or ask another "
                "source"
            )
        return page

    def _get(self, client: str, path: str, params: Mapping[str, Any]) -> Page:
        """One GET, tried again as often as the options say."""
        for wait in self._waits:
            try:
                return self._get_once(client, path, params)
            except SourceUnavailable:
                asked_for = self._wire.wait_asked_for()
                if asked_for is not None and asked_for > MAX_WAIT_S:
                    raise
                self._pace.sleep(wait if asked_for is None else max(asked_for, 0.0))
        return self._get_once(client, path, params)

    def _get_once(self, client: str, path: str, params: Mapping[str, Any]) -> Page:
        self._pace.wait()
        self._wire.answer = None
        try:
            body = self._clients[client].get(path, dict(params))
        except APIError:
            # Its text is the whole body, which may repeat the keys.
            raise self._refusal(path) from None
        except requests.JSONDecodeError as error:
            raise SourceSuspect(
                f"source {NAME}: {path}: expected JSON, found {self._body_excerpt()}; "
                "ask again later or ask another source"
            ) from error
        except requests.RequestException as error:
            raise SourceUnavailable(
                f"source {NAME}: {path} failed with {type(error).__name__}; "
                "ask again later or ask another source"
            ) from error
        answer = self._wire.answer
        if answer is None or answer.status_code != 200 or body is None:
            raise SourceSuspect(
                f"source {NAME}: {path}: expected status 200 and a body, found status "
                f"{'none' if answer is None else answer.status_code} and "
                f"{self._body_excerpt()}; a redirect is never followed; ask another source"
            )
        return Page(body, _shown_at(answer))

    def _record(self, answer: requests.Response) -> None:
        """Keep an answer, under Alpaca's own host and without keys that its body may repeat."""
        url, body = str(answer.request.url), answer.content
        if self._options.replay_url is not None:
            url = url.replace(f"{self._options.replay_url.rstrip('/')}/@", "https://", 1)
        for secret in self._secrets:
            body = body.replace(secret.encode(), b"***")
        kept = RawAnswer(
            method=str(answer.request.method),
            url=url,
            sent=b"",
            status=answer.status_code,
            content_type=answer.headers.get("Content-Type", ""),
            shown_at=_shown_at(answer),
            body=body,
        )
        write_recording(Path(str(self._options.record_dir)), kept)

    def _refusal(self, path: str) -> SourceRefused | SourceUnavailable:
        answer = self._wire.answer
        status = 0 if answer is None else answer.status_code
        said = f"source {NAME}: {path}: status {status}, {self._body_excerpt()}"
        if status in _TRANSIENT or status >= 500:
            return SourceUnavailable(f"{said}; ask again later or ask another source")
        if status == 401:
            return SourceRefused(
                f"{said}; the keys are not those of this account: set "
                "TRADEGRAPH_SECRET_ALPACA_KEY_ID and TRADEGRAPH_SECRET_ALPACA_SECRET_KEY, and the "
                "option `account`"
            )
        if status == 403:
            return SourceRefused(
                f"{said}; the plan does not allow it: ask 15 minutes after the close, set the "
                "option `feed: iex`, or change the plan"
            )
        return SourceRefused(f"{said}; the request is wrong for good, mend the adapter")

    def _body_excerpt(self) -> str:
        """The start of the body, without keys that it may repeat."""
        text = "" if self._wire.answer is None else self._wire.answer.text
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return repr(text[:_EXCERPT_CHARACTERS])


class Wire(HTTPAdapter):
    """Sends with time-outs, and keeps the newest answer for its status, date and limits."""

    def __init__(
        self,
        timeout: tuple[float, float],
        record: Callable[[requests.Response], None] | None,
    ) -> None:
        super().__init__()
        self._timeout = timeout
        self._record = record
        self.answer: requests.Response | None = None

    def send(self, request: Any, *args: Any, **given: Any) -> requests.Response:
        """One request, within the time-outs."""
        given["timeout"] = self._timeout
        answer = super().send(request, *args, **given)
        self.answer = answer
        if self._record is not None:
            self._record(answer)
        return answer

    def wait_asked_for(self) -> float | None:
        """Seconds until Alpaca will answer again, by its own clock; None where it says nothing."""
        if self.answer is None:
            return None
        headers = self.answer.headers
        shown = _shown_at(self.answer)
        try:
            if "Retry-After" in headers:
                return float(headers["Retry-After"])
            if "X-RateLimit-Reset" in headers and shown is not None:
                spent = float(headers.get("X-RateLimit-Remaining", "0")) < 1
                return float(headers["X-RateLimit-Reset"]) - shown.timestamp() if spent else None
        except ValueError:
            return None
        return None


def tame_client(client: RESTClient, wire: Wire) -> None:
    """No retries of its own, no proxy or .netrc, and no host but the one it was made for."""
    client._retry = 0
    # The list that it comes with is shared by every client of the process.
    client._retry_codes = []
    session = client._session
    session.trust_env = False
    session.adapters.clear()
    session.mount(f"{client._base_url}/", wire)


def _require_page(body: Any, path: str, key: str) -> str | None:
    """The token of the next page, None on the last, once the page is known to be one."""
    rows = body.get(key) if isinstance(body, dict) else None
    has_rows = isinstance(rows, dict) and all(
        isinstance(part, list) and all(isinstance(row, dict) for row in part)
        for part in rows.values()
    )
    token = body.get("next_page_token", False) if has_rows else False
    if token is None or (isinstance(token, str) and token):
        return token
    raise SchemaError(
        f"source {NAME}: {path}: expected {key!r} with lists of objects and 'next_page_token', "
        f"found {_excerpt(body)}; mend the adapter if Alpaca has changed"
    )


def _shown_at(answer: requests.Response) -> datetime | None:
    try:
        shown = parsedate_to_datetime(answer.headers.get("Date", ""))
    except ValueError:
        return None
    return None if shown.tzinfo is None else shown.astimezone(UTC)


def _excerpt(value: Any) -> str:
    return json.dumps(value, default=str)[:_EXCERPT_CHARACTERS]
