"""What the risk gates may look at, gathered for the names that a decision orders or holds.

Everything slow is read here, before the ledger's transaction; `GateSources.view` adds what open
orders have bound, which is all that may change in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl

from tradegraph_dagster.domain.core.ids import decision_id
from tradegraph_dagster.domain.core.money import ZERO, to_decimal
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS
from tradegraph_dagster.domain.market_data.schema import INSTRUMENTS
from tradegraph_dagster.domain.markets.schema import Listing, Market, Side
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.orders.inputs import DecisionInputs
from tradegraph_dagster.domain.orders.schema import (
    Commitments,
    Incident,
    OrderRecord,
    TradingMode,
)
from tradegraph_dagster.domain.orders.valuation import QUARANTINED, Opening
from tradegraph_dagster.domain.risk.gate_view import (
    AccountView,
    Environment,
    GateView,
    InstrumentView,
    WorkingOrder,
)
from tradegraph_dagster.domain.risk.schema import RiskContext
from tradegraph_dagster.domain.signals.schema import FORECASTS, TARGET_WEIGHTS

VOLUME_SESSIONS = 20
# Past returns for value at risk.
RETURN_SESSIONS = 250


@dataclass(frozen=True)
class Surroundings:
    """What a decision depends on besides the lake and the ledger.

    Attributes:
        mode: How far orders go.
        now: Instant of the decision; in a replay one of that history, before the session's close.
        lock_refusal: Why live trading is not armed; None where it is, or no live venue.
        model_refusal: Model version -> why it must not be traded; None where it may.
        is_replay: Whether the session is of a closed history: `now` is then an instant of that
            history, and the ledger's instants, which are of today, cannot be held against it.
    """

    mode: TradingMode
    now: datetime
    lock_refusal: str | None
    model_refusal: Callable[[str], str | None]
    is_replay: bool = False


@dataclass(frozen=True)
class GateSources:
    """All that gates look at but what open orders have bound.

    Attributes:
        base: With nothing bound.
        confidence: Symbol -> share of the forecast cross-section that scores no higher.
        strategy: Whose decision it is.
        is_replay: Whether `sent_at` of the commitments is of another time than the decision.
    """

    base: GateView
    confidence: Mapping[str, Decimal]
    strategy: str
    is_replay: bool

    def view(self, bound: Commitments, market: str) -> GateView:
        """With what open orders have bound."""
        return replace(
            self.base,
            working=tuple(self._working(record, bound, market) for record in bound.working),
            incidents=_blocking(bound.incidents),
            sent_at=() if self.is_replay else bound.sent_at,
            sent_in_session=bound.sent_in_session,
        )

    def _working(self, record: OrderRecord, bound: Commitments, market: str) -> WorkingOrder:
        intent = record.intent
        ours = decision_id(market=market, strategy=self.strategy, session=intent.session)
        open_shares = max(intent.quantity_shares - record.filled_shares, 0)
        reserved = bound.reserved_cash.get(intent.client_order_id, ZERO)
        return WorkingOrder(
            client_order_id=intent.client_order_id,
            decision_id=intent.decision_id,
            strategy=self.strategy if intent.decision_id == ours else intent.decision_id,
            symbol=intent.symbol,
            side=intent.side,
            open_shares=open_shares,
            price=self._price(record, reserved, open_shares),
            reserved_cash=reserved,
            made_at=record.sent_at,
        )

    def _price(self, record: OrderRecord, reserved: Decimal, open_shares: int) -> Decimal:
        """The limit, else what a share of the reservation comes to, else the last price."""
        if record.intent.limit_price is not None:
            return record.intent.limit_price
        if reserved and open_shares:
            return reserved / open_shares
        known = self.base.instruments.get(record.intent.symbol)
        return ZERO if known is None or known.quote_price is None else known.quote_price


def gather_gate_sources(
    ws: Workspace,
    inputs: DecisionInputs,
    around: Surroundings,
    *,
    symbols: Iterable[str],
    reconciled: tuple[date, datetime] | None,
    context: RiskContext,
) -> GateSources:
    """Read everything the gates need, once.

    Args:
        ws: Reads `adjusted_bars` of the sessions up to t, as far as they are there, and of t
            `instruments`, `forecasts` and `target_weights`.
        inputs: What the decision was sized from.
        around: Mode, time, live lock and model.
        symbols: Ordered, held, or in open orders.
        reconciled: Newest session whose books were compared, and when they were.
        context: What the rules were told of the account.
    """
    wanted = sorted(set(symbols))
    last = ws.calendar.previous(inputs.session)
    opening = inputs.opening(ws.market)
    bars = _past_bars(ws, last, wanted)
    version = _model_version(ws, last)
    base = GateView(
        environment=_environment(ws, inputs, around, reconciled=reconciled, version=version),
        account=_account(inputs, opening, context),
        instruments=_instruments(ws, inputs, opening, bars, wanted),
        returns=_returns(bars),
    )
    return GateSources(base, _confidence(ws, last), inputs.strategy, around.is_replay)


def _environment(
    ws: Workspace,
    inputs: DecisionInputs,
    around: Surroundings,
    *,
    reconciled: tuple[date, datetime] | None,
    version: str | None,
) -> Environment:
    calendar, session = ws.calendar, inputs.session
    compared, compared_at = reconciled or (None, None)
    if compared is not None and around.is_replay:
        # The ledger's instant is of another time than the decision's.
        compared_at = calendar.close_at(compared)
    return Environment(
        mode=around.mode.value,
        lock_refusal=around.lock_refusal,
        halt=inputs.halt,
        now=around.now,
        session=session,
        last_session=calendar.previous(session),
        is_session=calendar.is_session(session),
        closes_at=calendar.close_at(session),
        reconciled_session=compared,
        reconciled_at=compared_at,
        model_version=version,
        model_refusal=around.model_refusal(version) if version else None,
    )


def _account(inputs: DecisionInputs, opening: Opening, context: RiskContext) -> AccountView:
    held = opening.holdings
    return AccountView(
        equity=opening.equity,
        cash=opening.cash,
        start_equity=context.previous_equity,
        peak_equity=context.peak_equity,
        shares={symbol: holding.shares for symbol, holding in held.items()},
        sellable={symbol: holding.sellable for symbol, holding in held.items()},
        holders=inputs.holders,
        fee_frac=context.fee_frac,
    )


def _past_bars(ws: Workspace, last: date, symbols: Sequence[str]) -> pl.DataFrame:
    """Closes and volumes of the names only, by symbol and session."""
    there = ws.store.partitions(ADJUSTED_BARS.name)
    days = [day for day in ws.trailing(last, RETURN_SESSIONS + 1) if day in there]
    return (
        ws.store.read(ADJUSTED_BARS, days)
        .lazy()
        .filter(pl.col("symbol").is_in(symbols))
        .select(
            "session",
            "symbol",
            "close",
            "is_st",
            "sessions_listed",
            "share_factor",
            volume=pl.col("volume").fill_null(0),
        )
        .sort("symbol", "session")
        .collect()
    )


def _instruments(
    ws: Workspace,
    inputs: DecisionInputs,
    opening: Opening,
    bars: pl.DataFrame,
    symbols: Sequence[str],
) -> dict[str, InstrumentView]:
    last = ws.calendar.previous(inputs.session)
    listed = ws.store.read(INSTRUMENTS, [last]).filter(pl.col("symbol").is_in(symbols))
    known = {row["symbol"]: row for row in listed.iter_rows(named=True)}
    days = ws.trailing(last, VOLUME_SESSIONS)
    # Adjusted volumes compare across a split; the newest factor makes shares of today of them.
    shares = pl.col("volume").mean() * pl.col("share_factor").last()
    usual = (
        bars.filter(pl.col("session").is_in(days))
        .group_by("symbol", maintain_order=True)
        .agg(shares.alias("shares"))
    )
    volumes = {symbol: to_decimal(shares) for symbol, shares in usual.iter_rows()}
    traded = _price_sessions(inputs, bars, last)
    newest = {row["symbol"]: row for row in bars.filter(session=last).iter_rows(named=True)}
    return {
        symbol: _instrument(
            ws.market,
            inputs,
            _Facts(
                symbol,
                known.get(symbol),
                newest.get(symbol),
                opening.prices.get(symbol),
                volumes.get(symbol),
                traded.get(symbol),
            ),
        )
        for symbol in symbols
    }


def _price_sessions(inputs: DecisionInputs, bars: pl.DataFrame, last: date) -> dict[str, date]:
    """Symbol -> session that its price is of: the newest with a close that is believed."""
    doubted = [name for name, why in inputs.quotes.untradable.items() if why == QUARANTINED]
    is_believed = (pl.col("session") < last) | ~pl.col("symbol").is_in(doubted)
    made = bars.filter(is_believed & pl.col("close").is_not_null())
    return dict(made.group_by("symbol").agg(pl.col("session").max()).iter_rows())


@dataclass(frozen=True, slots=True)
class _Facts:
    """Rows of one name of session t, and when its price was made; None where there is none."""

    symbol: str
    instrument: Mapping[str, Any] | None
    bar: Mapping[str, Any] | None
    price: Decimal | None
    volume: Decimal | None
    traded: date | None


def _instrument(market: Market, inputs: DecisionInputs, facts: _Facts) -> InstrumentView:
    session, symbol, price = inputs.session, facts.symbol, facts.price
    refusal = inputs.quotes.untradable.get(symbol)
    if facts.instrument is None or facts.bar is None:
        return InstrumentView(
            refusal=refusal or "not listed in the last session",
            lot_rule=market.lot_rule(symbol, session),
            tick=market.tick,
            band=None,
            has_band=None,
            quote_price=price,
            quote_session=None if price is None else facts.traded,
        )
    listing = Listing(symbol, facts.instrument["listed_on"], facts.bar["is_st"])
    listed = facts.bar["sessions_listed"] + 1
    percent = market.band_percent(listing, session, sessions_listed=listed)
    band = (
        market.price_band(listing, price, session, sessions_listed=listed)
        if price is not None and percent is not None
        else None
    )
    cages = {side: market.price_cage(symbol, side, price, session) for side in Side if price}
    return InstrumentView(
        refusal=refusal,
        lot_rule=market.lot_rule(symbol, session),
        tick=market.tick,
        band=band,
        has_band=percent is not None,
        quote_price=price,
        quote_session=None if price is None else facts.traded,
        cage={side: cage for side, cage in cages.items() if cage is not None} or None,
        adv_shares=facts.volume,
        buy_cap_shares=market.buy_cap(listing, session),
        sector=facts.instrument["industry"],
    )


def _returns(bars: pl.DataFrame) -> dict[str, np.ndarray]:
    """Symbol -> returns of the sessions that all names with enough history have, oldest first.

    A session without trading has the return 0. Names without any close are left out.
    """
    closes = bars.with_columns(pl.col("close").forward_fill().over("symbol")).drop_nulls("close")
    if closes.is_empty():
        return {}
    wide = closes.pivot("symbol", index="session", values="close").sort("session")
    names = [name for name in wide.columns if name != "session"]
    full = wide.select(names).drop_nulls()
    matrix = full.to_numpy()
    moves = matrix[1:] / matrix[:-1] - 1
    return {name: np.ascontiguousarray(moves[:, column]) for column, name in enumerate(names)}


def _confidence(ws: Workspace, last: date) -> dict[str, Decimal]:
    """Symbol -> share of that session's scores that are no higher than its own."""
    scored = ws.store.read(FORECASTS, [last]).filter(pl.col("score").is_finite())
    ranked = scored.select("symbol", share=pl.col("score").rank("max") / pl.len())
    return {symbol: to_decimal(share) for symbol, share in ranked.iter_rows()}


def _model_version(ws: Workspace, last: date) -> str | None:
    """The one model of the weights, or of the forecasts where nothing is wanted."""
    for table in (TARGET_WEIGHTS, FORECASTS):
        versions = ws.store.read(table, [last])["model_version"].unique().to_list()
        if versions:
            return str(versions[0]) if len(versions) == 1 else None
    return None


def _blocking(incidents: Iterable[Incident]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for incident in incidents:
        if incident.blocks:
            text = f"{incident.kind} {incident.reference}: {incident.found}"
            found.setdefault(incident.symbol, []).append(text)
    return {symbol: "; ".join(texts) for symbol, texts in found.items()}
