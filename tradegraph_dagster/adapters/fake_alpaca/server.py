"""The local Alpaca as a whole: start it, open accounts, end it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import polars as pl

from tradegraph_dagster.adapters.fake_alpaca.control import AccountControl
from tradegraph_dagster.adapters.fake_alpaca.door import Door
from tradegraph_dagster.adapters.fake_alpaca.exchange import Delivery, Exchange, Patience
from tradegraph_dagster.adapters.fake_alpaca.market_frames import MarketFrames
from tradegraph_dagster.adapters.fake_alpaca.stream import Stream
from tradegraph_dagster.adapters.fake_alpaca.wire import Answer, Request, to_ns
from tradegraph_dagster.domain.core.clock import Clock
from tradegraph_dagster.domain.core.errors import ConfigError

# Where the clock stands when none is given: within a session, so that orders are live.
STANDING = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
LOCAL = "/_local/"
SECRET = "local-secret"
CASH = "100000"


class LocalAlpaca:
    """A broker on loopback; use it as a context manager, or call `stop`.

    Args:
        folder: Where its book is kept; the same folder is the same broker, also after a crash.
        clock: The time of accounts that have no clock of their own; stands still when None.
        port: Of the REST and data API; 0 is any free one.
        stream_port: Of the stream; 0 is any free one.
        bars: Unadjusted daily bars to serve, as `MarketFrames` takes them.
        actions: Corporate actions to serve, by kind, in the vendor's shape.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: Clock | None = None,
        port: int = 0,
        stream_port: int = 0,
        bars: pl.DataFrame | None = None,
        actions: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    ) -> None:
        self._clock = clock
        self._exchange = Exchange(folder, self._now, MarketFrames(bars, actions))
        self._door = Door(self._respond, port)
        self._doors: dict[str, Door] = {}
        self._stream = Stream(self._exchange.authenticate, stream_port)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def rest_url(self) -> str:
        """Base of the trading and the data API."""
        return self._door.url

    @property
    def stream_url(self) -> str:
        """The trade-updates stream."""
        return self._stream.url

    def stop(self) -> None:
        """End every port, connection and thread."""
        for door in (self._door, *self._doors.values()):
            door.close()
        self._stream.stop()
        self._exchange.close()

    def account(
        self, key_id: str, *, secret: str = SECRET, cash: str = CASH, seed: int = 0, **settings: Any
    ) -> AccountControl:
        """Open an account, or find it as it is; `settings` are those of `records.Settings`."""
        args = {"secret": secret, "cash": cash, "seed": seed, "settings": settings}
        self.perform(key_id, "open_account", args)
        return AccountControl(key_id, self.perform)

    def perform(self, key_id: str, name: str, args: Mapping[str, Any]) -> Any:
        """Do something behind the API: a command of the server, or one of `commands`.

        Raises:
            ConfigError: No such command or account, or not with these arguments.
        """
        server_command = getattr(self, f"_do_{name}", None)
        if server_command is not None:
            return server_command(key_id, **args)
        return self._exchange.command(key_id, name, args)

    def _now(self) -> int:
        return to_ns(self._clock.now() if self._clock is not None else STANDING)

    def _respond(self, request: Request, patience: Patience) -> Delivery:
        if not request.path.startswith(LOCAL):
            return self._exchange.respond(request, patience)
        args = dict(request.query) if request.method == "GET" else dict(request.fields or {})
        key_id = str(args.pop("key_id", ""))
        try:
            result = self.perform(key_id, request.path.removeprefix(LOCAL), args)
        except (ConfigError, TypeError) as error:
            return Delivery(Answer(400, {"message": str(error)}), self._now())
        return Delivery(Answer(200, {"result": result}), self._now())

    def _do_open_account(
        self,
        key_id: str,
        secret: str = SECRET,
        cash: str = CASH,
        seed: int = 0,
        settings: Mapping[str, Any] | None = None,
    ) -> dict[str, str]:
        account = self._exchange.open_account(
            key_id, secret=secret, cash=cash, seed=seed, settings=settings or {}
        )
        return {"account_id": account.state.account_id}

    def _do_accounts(self, key_id: str) -> list[str]:
        return self._exchange.key_ids()

    def _do_forget(self, key_id: str) -> None:
        door = self._doors.pop(key_id, None)
        if door is not None:
            door.close_soon(-1)
        self._exchange.forget(key_id)

    def _do_own_door(self, key_id: str) -> str:
        """A port for this account alone, so that closing it meets nobody else."""
        door = self._doors.get(key_id)
        if door is None:
            door = self._doors[key_id] = Door(self._respond)
        return door.url

    def _do_close_door(self, key_id: str, seconds: float | None = None) -> None:
        self._doors.get(key_id, self._door).close(seconds)

    def _do_wait_until_closed(self, key_id: str, timeout_s: float = 5.0) -> bool:
        return self._doors.get(key_id, self._door).wait_until_closed(timeout_s)

    def _do_open_door(self, key_id: str) -> None:
        self._doors.get(key_id, self._door).open()

    def _do_drop_streams(self, key_id: str) -> None:
        account = self._exchange.account(key_id)
        if account is not None:
            account.drop_streams()

    def _do_wait_for_listeners(self, key_id: str, count: int = 1, timeout_s: float = 5.0) -> int:
        account = self._exchange.account(key_id)
        return account.wait_for_listeners(count, timeout_s) if account is not None else 0

    def _do_wait_for(
        self,
        key_id: str,
        method: str,
        path: str,
        count: int = 1,
        stage: str = "arrived_at",
        timeout_s: float = 5.0,
    ) -> list[dict[str, Any]]:
        account = self._exchange.account(key_id)
        if account is None:
            raise ConfigError(f"key_id: found {key_id!r}, which is no account")
        return list(
            account.calls.wait_for(method, path, count=count, stage=stage, timeout_s=timeout_s)
        )
