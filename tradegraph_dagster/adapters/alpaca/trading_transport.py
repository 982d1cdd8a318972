"""One request at a time to an Alpaca trading account, through alpaca-py's own client.

The client comes with no time-outs, repeats a POST by itself, and raises errors that cannot be told
apart from an order that arrived. So it only sends here, once, and what came back is read from the
wire. What can happen to a request:

    seen                                                error
    no route, no name, refused, no connection in time   BrokerUnavailable: nothing was sent
    status 429                                          BrokerUnavailable: nothing was accepted; the
                                                        next request waits as long as Alpaca asks
    a time-out, a reset or a cut-off body later on      OrderStateUnknown
    any other status                                    a Reply, for the caller to judge
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import requests
from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError

from tradegraph_dagster.adapters.alpaca.broker_options import AlpacaBrokerOptions
from tradegraph_dagster.adapters.alpaca.options import LOOPBACK, TRADING_HOSTS
from tradegraph_dagster.adapters.alpaca.transport import (
    BURST,
    MAX_WAIT_S,
    NAME,
    Pace,
    Wire,
    tame_client,
)
from tradegraph_dagster.domain.core.errors import (
    BrokerUnavailable,
    ConfigError,
    OrderStateUnknown,
    TradingHalted,
)

# An order's permission to be sent is a moment old; it must not grow stale in a queue.
LONGEST_QUEUE_S = 2.0
# Alpaca's limit is so many requests a minute, so after a minute it has room again.
_UNSAID_WAIT_S = 60.0
_KEPT_CHARACTERS = 8_000
_EXCERPT_CHARACTERS = 200
_NEVER_SENT = (
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
)


@dataclass(frozen=True)
class Reply:
    """One answer.

    Attributes:
        status: HTTP status.
        body: The parsed JSON, numbers as Decimal or int; None where it is empty or no JSON.
        raw: The body as it came, without the keys.
    """

    status: int
    body: Any
    raw: str

    @property
    def message(self) -> str:
        """What Alpaca says is wrong; empty where the body is not an error of its own."""
        said = self.body.get("message") if isinstance(self.body, dict) else None
        return said if isinstance(said, str) else ""

    @property
    def excerpt(self) -> str:
        """Status and start of the body, for a message."""
        return f"status {self.status} with {self.raw[:_EXCERPT_CHARACTERS]!r}"


class TradingGateway:
    """Requests to one trading account, one after another, whichever thread asks.

    Args:
        options: Keys, host, time-outs and pace.
        contact: Why a live account may not be asked now; empty where it may. A cancel is not held
            back by it: whatever the lock, taking back an order only lowers risk.
        pace: How fast; made from the options when None.

    Raises:
        ConfigError: A key is not set, or the client would reach another host than the options say.
    """

    def __init__(
        self,
        options: AlpacaBrokerOptions,
        contact: Callable[[], str],
        pace: Pace | None = None,
    ) -> None:
        key, secret = options.keys(f"broker {NAME}")
        self._secrets = (key, secret)
        self._contact = contact if options.is_live else _open
        # In any minute a full bucket comes on top of what flows in.
        self._pace = pace or Pace(options.requests_per_minute - BURST)
        self._wire = Wire((options.connect_timeout_s, options.read_timeout_s), None)
        # With a URL given, the client's flag for paper decides nothing.
        self._client = TradingClient(
            key, secret, paper=not options.is_live, raw_data=True, url_override=options.trading_url
        )
        tame_client(self._client, self._wire)
        self._calls: Mapping[str, Callable[..., Any]] = {
            "GET": self._client.get,
            "POST": self._client.post,
            "DELETE": self._client.delete,
        }
        self._lock = threading.Lock()
        require_account(self.host, options)

    @property
    def host(self) -> str:
        """Host that requests really reach; the client's flag for paper does not decide it."""
        (mounted,) = self._client._session.adapters
        return urlsplit(mounted).hostname or ""

    def ask(
        self, path: str, params: Mapping[str, Any] | None = None, *, for_cancel: bool = False
    ) -> Reply:
        """One GET; the reply has status 200 or 404.

        Args:
            path: Below the version.
            params: Of the query.
            for_cancel: It looks for the order that is about to be canceled, which always passes.

        Raises:
            TradingHalted: A live account may not be asked now; nothing was sent.
            BrokerUnavailable: Anything else: nothing is known.
        """
        with self._lock:
            self._pace.wait()
            if not for_cancel:
                self._require_contact()
            reply = self._exchange_known("GET", path, dict(params or {}))
        if reply.status in (200, 404):
            return reply
        hint = "; set the keys of this account" if reply.status == 401 else ""
        raise BrokerUnavailable(f"broker {NAME}: GET {path}: {reply.excerpt}{hint}; ask again")

    def delete(self, path: str) -> Reply:
        """One DELETE: it cancels, so it always passes.

        Raises:
            BrokerUnavailable: Whether it was heard is not known; ask again.
        """
        with self._lock:
            self._pace.wait()
            return self._exchange_known("DELETE", path, None)

    def post(self, path: str, fields: Mapping[str, Any], last_look: Callable[[], None]) -> Reply:
        """One POST, right after `last_look`, which raises where it must not be sent.

        Raises:
            TradingHalted: A live account may not be asked now; nothing was sent.
            BrokerUnavailable: Nothing was sent, or nothing was accepted.
            OrderStateUnknown: It may have arrived.
        """
        if not self._lock.acquire(timeout=LONGEST_QUEUE_S):
            raise BrokerUnavailable(
                f"broker {NAME}: another request is under way; nothing was sent, send it again"
            )
        try:
            due = self._pace.due_in()
            if due > LONGEST_QUEUE_S:
                raise BrokerUnavailable(
                    f"broker {NAME}: its limit lets the next request through in {due:.1f} s; "
                    "nothing was sent, send it again then"
                )
            self._pace.wait()
            self._require_contact()
            # Last of all: nothing slow may stand between it and the request.
            last_look()
            return self._exchange("POST", path, dict(fields))
        finally:
            self._lock.release()

    def _require_contact(self) -> None:
        shut = self._contact()
        if shut:
            raise TradingHalted(f"broker {NAME}: {shut}; nothing was sent")

    def _exchange_known(self, method: str, path: str, data: Any) -> Reply:
        try:
            return self._exchange(method, path, data)
        except OrderStateUnknown as error:
            raise BrokerUnavailable(error.message) from error

    def _exchange(self, method: str, path: str, data: Any) -> Reply:
        self._wire.answer = None
        where = f"broker {NAME}: {method} {path}"
        try:
            self._calls[method](path, data)
        except (APIError, requests.JSONDecodeError):
            # Their text is the whole body, which may repeat the keys. The wire has the answer.
            pass
        except requests.RequestException as error:
            failed = type(error).__name__
            if _was_never_sent(error):
                raise BrokerUnavailable(f"{where}: {failed}; nothing was sent") from None
            raise OrderStateUnknown(
                f"{where}: {failed} after it began; it may have arrived, ask before sending it "
                "again"
            ) from None
        reply = self._reply()
        if reply.status == 429:
            asked_for = self._wire.wait_asked_for()
            wait = _UNSAID_WAIT_S if asked_for is None else min(max(asked_for, 0.0), MAX_WAIT_S)
            self._pace.hold(wait)
            raise BrokerUnavailable(
                f"{where}: too many requests; nothing was accepted, the next one waits {wait:.0f} s"
            )
        return reply

    def _reply(self) -> Reply:
        answer = self._wire.answer
        if answer is None:
            raise OrderStateUnknown(f"broker {NAME}: no answer was kept; ask before sending again")
        text = answer.text
        for secret in self._secrets:
            for written in (secret, secret.replace("/", "\\/")):
                text = text.replace(written, "***")
        return Reply(answer.status_code, _parse(text), text[:_KEPT_CHARACTERS])


def _open() -> str:
    """A paper account may always be asked."""
    return ""


def require_account(host: str, options: AlpacaBrokerOptions) -> None:
    """Refuse a host that is not the one of the account.

    Raises:
        ConfigError: It is not.
    """
    expected = LOOPBACK if options.local_url else (TRADING_HOSTS[options.account],)
    if host not in expected:
        raise ConfigError(
            f"broker {NAME}: orders would go to {host!r}; the account {options.account!r} expects "
            f"{' or '.join(expected)}"
        )


def _parse(text: str) -> Any:
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _was_never_sent(error: requests.RequestException) -> bool:
    """Whether no connection was made, so that no byte of the request can have left."""
    if isinstance(error, (*_NEVER_SENT, requests.ConnectTimeout)):
        return True
    cause = error.args[0] if error.args else None
    reason = cause.reason if isinstance(cause, MaxRetryError) else cause
    return isinstance(reason, NewConnectionError | ConnectTimeoutError)
