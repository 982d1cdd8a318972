"""From a request to what goes over the wire: account, rate limit, scripted fault, route."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol
from uuid import NAMESPACE_URL, uuid5

from tradegraph_dagster.adapters.fake_alpaca.account import Account
from tradegraph_dagster.adapters.fake_alpaca.book_file import BookFile
from tradegraph_dagster.adapters.fake_alpaca.commands import run_command
from tradegraph_dagster.adapters.fake_alpaca.fault_rules import FaultRule, edited, take_rule
from tradegraph_dagster.adapters.fake_alpaca.market_frames import MarketFrames
from tradegraph_dagster.adapters.fake_alpaca.market_routes import answer_data
from tradegraph_dagster.adapters.fake_alpaca.records import Settings, State
from tradegraph_dagster.adapters.fake_alpaca.request_log import Call
from tradegraph_dagster.adapters.fake_alpaca.session_turns import roll
from tradegraph_dagster.adapters.fake_alpaca.trading_routes import answer_trading
from tradegraph_dagster.adapters.fake_alpaca.wire import (
    TOO_MANY,
    UNAUTHORIZED,
    Answer,
    Request,
    refuse,
)
from tradegraph_dagster.domain.core.errors import ConfigError

HOLD_SECONDS = 60.0
KEY_HEADER, SECRET_HEADER = "apca-api-key-id", "apca-api-secret-key"


class Patience(Protocol):
    """How a request waits."""

    def wait(self, seconds: float) -> bool:
        """Wait; False as soon as the client has hung up or the server stops."""
        ...


@dataclass(frozen=True)
class Delivery:
    """What goes over the wire.

    Attributes:
        answer: Status, headers and JSON; None where the connection closes without any.
        now: The instant to date it, nanoseconds since the epoch.
        raw: Sent instead of the JSON.
        truncate: This share of the body is sent as if it were all; 1 is all.
        cut_body: This share of the body is sent before the connection closes; 1 is all.
        reset: Close with a reset.
        close_door_s: Afterwards refuse connections for so long; negative is until it is opened.
        sent: To be called once it is sent.
    """

    answer: Answer | None
    now: int
    raw: bytes | None = None
    truncate: float = 1.0
    cut_body: float = 1.0
    reset: bool = False
    close_door_s: float | None = None
    sent: Callable[[], None] | None = None


class Exchange:
    """All accounts of a server.

    Args:
        folder: Where the book is kept.
        server_now: The server's clock, nanoseconds since the epoch.
        market: Bars and corporate actions for accounts that have none of their own.
    """

    def __init__(self, folder: Path, server_now: Callable[[], int], market: MarketFrames) -> None:
        self._book = BookFile(folder)
        self._server_now = server_now
        self._market = market
        self._lock = threading.RLock()
        self._accounts: dict[str, Account] = {}

    def close(self) -> None:
        """Close the book."""
        self._book.close()

    def key_ids(self) -> list[str]:
        """Every account there is."""
        return list(self._book.key_ids())

    def account(self, key_id: str) -> Account | None:
        """An account, loaded when it is first asked for."""
        with self._lock:
            account = self._accounts.get(key_id)
            if account is None and key_id:
                found = self._book.load(key_id)
                if found is not None:
                    state, orders, activities = found
                    account = Account(state, self._book, self._server_now, self._market)
                    account.restore(orders, activities)
                    self._accounts[key_id] = account
            return account

    def open_account(
        self, key_id: str, *, secret: str, cash: str, seed: int, settings: Mapping[str, Any]
    ) -> Account:
        """An account; one that exists already is given back as it is."""
        with self._lock:
            known = self.account(key_id)
            if known is not None:
                return known
            state = State(
                key_id=key_id,
                secret=secret,
                seed=seed,
                account_id=str(uuid5(NAMESPACE_URL, f"account:{key_id}")),
                rolled=self._server_now(),
                created_at=self._server_now(),
                cash=Decimal(cash),
                last_equity=Decimal(cash),
                settings=Settings.model_validate(dict(settings)),
            )
            account = self._accounts[key_id] = Account(
                state, self._book, self._server_now, self._market
            )
            with account.change():
                return account

    def forget(self, key_id: str) -> None:
        """Delete an account with all it has."""
        with self._lock:
            account = self._accounts.pop(key_id, None)
            self._book.forget(key_id)
        if account is not None:
            account.drop_streams()

    def authenticate(self, key_id: str, secret: str) -> Account | None:
        """The account of a pair of keys; None where they are not a pair."""
        account = self.account(key_id)
        return account if account is not None and account.state.secret == secret else None

    def command(self, key_id: str, name: str, args: Mapping[str, Any]) -> Any:
        """Do something to an account behind the API. Raises ConfigError as `run_command`."""
        account = self.account(key_id)
        if account is None:
            raise ConfigError(f"key_id: found {key_id!r}, which is no account; open it first")
        with account.change(only_reads=name == "book"):
            roll(account)
            return run_command(account, name, args)

    def respond(self, request: Request, patience: Patience) -> Delivery:
        """Let one request have its effect, and say what the client gets to see of it."""
        headers = request.headers
        account = self.authenticate(headers.get(KEY_HEADER, ""), headers.get(SECRET_HEADER, ""))
        if account is None:
            answer = refuse(401, UNAUTHORIZED, "unauthorized.")
            return Delivery(answer, self._server_now())
        call = account.calls.arrived(request.method, request.path, request.client_order_id)
        rule = None
        if account.state.rules:
            with account.change():
                rule = take_rule(account.state.rules, request)
        if rule is not None:
            call.fault = True
            return self._faulty(account, request, rule, call, patience)
        answer = self._effect(account, request, call)
        call.status = answer.status
        return Delivery(answer, account.now, sent=_sent(account, call))

    def _effect(self, account: Account, request: Request, call: Call) -> Answer:
        with account.change(only_reads=request.method == "GET"):
            roll(account)
            limit = account.state.settings.rate_per_minute
            is_data = request.path.startswith(("/v2/stocks/", "/v1/"))
            headers: dict[str, str] = {"X-Request-ID": f"{call.number:032x}"}
            if limit is not None:
                pace = account.paces["data" if is_data else "trading"]
                is_allowed, shown = pace.take(account.now, limit)
                headers |= shown
                if not is_allowed:
                    refusal = refuse(429, TOO_MANY, "rate limit exceeded.")
                    return Answer(refusal.status, refusal.body, headers)
            answer = answer_data(account, request) or answer_trading(account, request)
        account.calls.took_effect(call)
        return Answer(answer.status, answer.body, headers)

    def _faulty(
        self, account: Account, request: Request, rule: FaultRule, call: Call, patience: Patience
    ) -> Delivery:
        """As the rule says; every way out is one of: nothing, a broken answer, another answer."""
        sent = _sent(account, call)
        nothing = Delivery(
            None, account.now, reset=rule.reset, close_door_s=rule.close_door_s, sent=sent
        )
        if rule.hold_before:
            patience.wait(HOLD_SECONDS)
            return nothing
        patience.wait(rule.delay_s)
        answer = self._effect(account, request, call) if rule.has_effect else Answer(200, {})
        if rule.hold_after:
            patience.wait(HOLD_SECONDS)
            return nothing
        patience.wait(rule.answer_delay_s)
        if rule.drop:
            return nothing
        body = edited(answer.body, rule.edit) if rule.edit else answer.body
        call.status = rule.status if rule.status is not None else answer.status
        return Delivery(
            Answer(call.status, body, {**answer.headers, **rule.headers}),
            account.now,
            raw=None if rule.body is None else rule.body.encode(),
            truncate=rule.truncate,
            cut_body=rule.cut_body,
            reset=rule.reset,
            close_door_s=rule.close_door_s,
            sent=sent,
        )


def _sent(account: Account, call: Call) -> Callable[[], None]:
    return lambda: account.calls.answered(call)


def wire_body(delivery: Delivery) -> bytes:
    """The bytes of the body."""
    body = b"" if delivery.raw is None else delivery.raw
    if delivery.raw is None and delivery.answer is not None and delivery.answer.body is not None:
        shown = delivery.answer.body
        body = json.dumps(shown, separators=(",", ":"), ensure_ascii=False).encode()
    return body if delivery.truncate == 1.0 else body[: int(len(body) * delivery.truncate)]
