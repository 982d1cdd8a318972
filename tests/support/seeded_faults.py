"""Faults seeded into a vendor's answer, each with what must catch it.

A lake of the synthetic exchange is filled up to a session; the answer for that session, and those
after it where a fault lasts longer, is then spoiled and taken through the real steps: ingest,
adjust, judge, validate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import lru_cache

import numpy as np
import polars as pl

from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.adapters.memory.frame_store import MemoryFrameStore
from tradegraph_dagster.adapters.memory.source_health import MemorySourceHealth
from tradegraph_dagster.adapters.synthetic.history import History, make_history
from tradegraph_dagster.adapters.synthetic.options import SyntheticOptions
from tradegraph_dagster.domain.core.errors import TradeGraphError
from tradegraph_dagster.domain.core.findings import WHOLE_SESSION
from tradegraph_dagster.domain.core.frame_store import FrameStore
from tradegraph_dagster.domain.core.frames import FrameSchema, only_symbols
from tradegraph_dagster.domain.corporate_actions.step import adjust_sessions, ingest_actions
from tradegraph_dagster.domain.market_data.failover import SourcePanel, SourceWatch
from tradegraph_dagster.domain.market_data.health import RoutingPolicy
from tradegraph_dagster.domain.market_data.schema import RAW_BARS
from tradegraph_dagster.domain.market_data.step import ingest_bars, ingest_instruments
from tradegraph_dagster.domain.markets.catalogue import load_market
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.quality.schema import BAR_FINDINGS, VALIDATED_BARS
from tradegraph_dagster.domain.quality.step import find_faults, validate_sessions
from tradegraph_dagster.domain.quality.verdict import QualityPolicy

NAMES = 120
FIRST, LAST = date(2022, 1, 4), date(2022, 5, 20)
# Sessions before the first place for a fault, and after the last: faults last up to six sessions.
WARM_UP, ROOM = 30, 8
MANY = 8
PRICES = ("open", "high", "low", "close")
GATED = ("quarantine", "block")
# A fact of the adjustment's report: bars that did not come and are carried as suspended.
CARRIED = "carried"

Rows = pl.DataFrame
Damage = Callable[["Spot", "Answer"], "Answer"]
Finding = tuple[date, str, str, str]


@dataclass(frozen=True)
class Answer:
    """What the sources say of the sessions that a fault touches.

    `asked`, where given, replaces the sessions asked for; `newest` is the latest closed one. A
    `second` source is compared with the first. A careless source gives more than it was asked for.
    """

    instruments: Rows
    bars: Rows
    actions: Rows
    second: Rows | None = None
    asked: tuple[date, ...] | None = None
    newest: date | None = None
    is_careless: bool = False

    def with_bars(self, hit: pl.Expr, **values: object) -> Answer:
        """Values of the hit bars replaced; a value may be an expression over the row."""
        return replace(self, bars=_changed(self.bars, hit, values))


@dataclass(frozen=True)
class Spot:
    """Where a fault is put: sessions, a name and some others, all long listed and trading."""

    days: tuple[date, ...]
    name: str
    many: tuple[str, ...]
    history: History
    rng: np.random.Generator

    @property
    def day(self) -> date:
        """The first session of the fault."""
        return self.days[0]

    @property
    def row(self) -> pl.Expr:
        """The one bar."""
        return (pl.col("session") == self.day) & (pl.col("symbol") == self.name)

    def bar(self, day: date) -> dict[str, float]:
        """The right bar of the name."""
        rows = self.history.bars.filter(symbol=self.name, session=day)
        return rows.row(0, named=True)


@dataclass
class StatedSource:
    """Answers what it was told to; a careless one whatever it is asked."""

    answer: Answer
    name: str = "stated"

    def instruments(self, sessions: Sequence[date]) -> Rows:
        return self._of(self.answer.instruments, sessions)

    def bars(self, sessions: Sequence[date], symbols: Sequence[str] | None = None) -> Rows:
        return only_symbols(self._of(self.answer.bars, sessions), symbols)

    def corporate_actions(self, sessions: Sequence[date]) -> Rows:
        return self._of(self.answer.actions, sessions)

    def _of(self, rows: Rows, sessions: Sequence[date]) -> Rows:
        asked = pl.lit(self.answer.is_careless) | pl.col("session").is_in(list(sessions))
        return rows.filter(asked)


class LakeBefore:
    """The part of a clean lake before a day, and what is written on it from then on."""

    def __init__(self, clean: FrameStore, day: date) -> None:
        self._clean = clean
        self._day = day
        self._own = MemoryFrameStore()

    def _of(self, partition: date) -> FrameStore:
        return self._clean if partition < self._day else self._own

    def write(self, schema: FrameSchema, partition: date, frame: Rows) -> str:
        return self._own.write(schema, partition, frame)

    def read(self, schema: FrameSchema, partitions: Sequence[date]) -> Rows:
        parts = [self._of(partition).read(schema, [partition]) for partition in partitions]
        return pl.concat([schema.empty(), *parts])

    def partitions(self, table: str) -> frozenset[date]:
        old = frozenset(day for day in self._clean.partitions(table) if day < self._day)
        return old | self._own.partitions(table)

    def fingerprint(self, table: str, partition: date) -> str:
        return self._of(partition).fingerprint(table, partition)

    def remove(self, table: str, partition: date) -> None:
        self._own.remove(table, partition)


@dataclass(frozen=True)
class Kind:
    """A kind of fault.

    Attributes:
        damage: Spoils the answer.
        caught_by: Any of these is right: `gate:severity`, or the class of the error that withholds
            the session or the answer.
        lasts: Sessions it touches.
        found_on: Places among the touched sessions on each of which it must be found.
        touches: Whose bars the fault may take out: the one name, many, or all.
    """

    damage: Damage
    caught_by: tuple[str, ...]
    lasts: int = 1
    found_on: tuple[int, ...] = (0,)
    touches: str = "one"


@dataclass(frozen=True)
class Outcome:
    """What came of one seeded fault.

    Attributes:
        detected: Whether it was found where it must be, by what should.
        wrongly_accused: Findings that take out or withhold what is sound.
        seen: Everything found and withheld, to explain a miss.
    """

    detected: bool
    wrongly_accused: int
    seen: tuple[str, ...] = ()


@dataclass
class World:
    """A clean lake and its history."""

    history: History
    ws: Workspace
    sessions: tuple[date, ...]
    accusations: int
    seed: int = 0


@lru_cache(maxsize=2)
def clean_world(seed: int) -> World:
    """The lake of a seed with every session taken through every step."""
    market = load_market("cn")
    options = SyntheticOptions(names=NAMES, seed=seed, first=FIRST, last=LAST)
    history = make_history(market, options)
    sessions = market.calendar.between(FIRST, LAST)
    ws = Workspace(market, MemoryFrameStore(), sessions[0])
    answer = Answer(history.instruments, history.bars, history.actions)
    seen = run(ws, answer, sessions)
    accusing = [one for one in seen.findings if one[3] in GATED]
    return World(history, ws, sessions, len(accusing) + len(seen.withheld), seed)


@dataclass
class Seen:
    """What the steps found, and what they withheld or refused."""

    findings: list[Finding] = field(default_factory=list)
    withheld: dict[date, str] = field(default_factory=dict)

    def texts(self) -> tuple[str, ...]:
        """Both, in words."""
        found = [" ".join(map(str, one)) for one in self.findings]
        return (*found, *(f"{day} {error}" for day, error in self.withheld.items()))


def run(ws: Workspace, answer: Answer, days: Sequence[date]) -> Seen:
    """Take an answer through ingest, adjustment, gates and validation, as a deployment would."""
    seen = Seen()
    asked = answer.asked or tuple(days)
    newest = answer.newest or days[-1]
    panel = _panel(answer, ws.calendar.close_at(days[-1]))
    try:
        reports = [
            ingest_instruments(ws, panel, asked, latest_closed=newest),
            *ingest_bars(ws, panel, asked, latest_closed=newest),
            ingest_actions(
                ws, panel, asked, latest_known=newest, seen_at=ws.calendar.open_at(days[0])
            ),
        ]
    except TradeGraphError as error:
        seen.withheld[days[0]] = type(error).__name__
        return seen
    for report in reports:
        _note(seen, report.withheld)
    stored = ws.store.partitions(RAW_BARS.name)
    able = [day for day in days if day in stored and day not in seen.withheld]
    if able:
        adjustment = adjust_sessions(ws, able)
        _note(seen, adjustment.withheld)
        for one in adjustment.written:
            if one.facts["carried"]:
                seen.findings.append((one.partition, WHOLE_SESSION, CARRIED, "warn"))
        adjusted = [day for day in able if day not in seen.withheld]
        find_faults(ws, None, adjusted)
        validate_sessions(ws, adjusted, QualityPolicy())
        rows = ws.store.read(BAR_FINDINGS, adjusted)
        seen.findings += list(rows.select("session", "symbol", "gate", "severity").iter_rows())
    return seen


def seed_fault(world: World, kind: Kind, name: str) -> Outcome:
    """Put a fault of a kind into a place drawn by the world's seed and the kind's name."""
    spot = draw_spot(world, kind, np.random.default_rng([world.seed, *name.encode()]))
    ws = replace(world.ws, store=LakeBefore(world.ws.store, spot.day))
    clean = Answer(
        *(
            rows.filter(pl.col("session").is_in(list(spot.days)))
            for rows in (world.history.instruments, world.history.bars, world.history.actions)
        )
    )
    spoiled = kind.damage(spot, clean)
    seen = run(ws, spoiled, spot.days)
    places = spoiled.asked or [spot.days[at] for at in kind.found_on]
    guilty = {"one": {spot.name}, "many": {spot.name, *spot.many}, "all": None}[kind.touches]
    accused = [
        one
        for one in seen.findings
        if one[3] in GATED and guilty is not None and one[1] not in guilty | {WHOLE_SESSION}
    ]
    return Outcome(
        detected=all(_is_caught(kind, seen, ws, day, spot) for day in places),
        wrongly_accused=len(accused),
        seen=(f"{spot.day} {spot.name}", *seen.texts()),
    )


def draw_spot(world: World, kind: Kind, rng: np.random.Generator) -> Spot:
    """A place where every bar around is old, trades, is not flagged, and has no event near."""
    latest = len(world.sessions) - ROOM
    while True:
        at = int(rng.integers(WARM_UP, latest))
        around = world.sessions[at - 6 : at + 7]
        names = _quiet_names(world.history, around)
        if len(names) > MANY:
            picked = rng.choice(names, size=MANY + 1, replace=False)
            return Spot(
                world.sessions[at : at + kind.lasts],
                str(picked[0]),
                tuple(map(str, picked[1:])),
                world.history,
                rng,
            )


def _quiet_names(history: History, around: Sequence[date]) -> list[str]:
    inside = pl.col("session").is_in(list(around))
    bars = history.bars.filter(inside, ~pl.col("is_suspended"))
    busy = history.actions.filter(inside).get_column("symbol")
    old = history.instruments.filter(
        inside, ~pl.col("is_st"), pl.col("listed_on") < FIRST - timedelta(days=60)
    )
    return (
        bars.join(old, on=["session", "symbol"], how="semi")
        .filter(~pl.col("symbol").is_in(busy.implode()))
        .group_by("symbol")
        .len()
        .filter(pl.col("len") == len(around))
        .get_column("symbol")
        .sort()
        .to_list()
    )


def _is_caught(kind: Kind, seen: Seen, ws: Workspace, day: date, spot: Spot) -> bool:
    if seen.withheld.get(day) in kind.caught_by:
        return day not in ws.store.partitions(VALIDATED_BARS.name)
    named = {spot.name, WHOLE_SESSION, *(spot.many if kind.touches == "many" else ())}
    caught = {
        f"{gate}:{severity}"
        for session, symbol, gate, severity in seen.findings
        if session == day and (symbol in named or kind.touches == "all")
    } & set(kind.caught_by)
    if not caught:
        return False
    gated = {one for one in caught if one.endswith(GATED)}
    return not gated or not _is_validated(ws, day, spot.name)


def _is_validated(ws: Workspace, day: date, symbol: str) -> bool:
    if day not in ws.store.partitions(VALIDATED_BARS.name):
        return False
    return symbol in ws.store.read(VALIDATED_BARS, [day]).get_column("symbol")


def _panel(answer: Answer, now: datetime) -> SourcePanel[StatedSource]:
    first = StatedSource(answer)
    if answer.second is None:
        return SourcePanel([first])
    bars = answer.second.with_columns(source=pl.lit("second"))
    second = StatedSource(replace(answer, bars=bars), name="second")
    policy = RoutingPolicy(cross_check_symbols=NAMES, cross_check_sessions=ROOM)
    return SourcePanel([first, second], SourceWatch(MemorySourceHealth(), FixedClock(now), policy))


def _note(seen: Seen, withheld: Mapping[date, TradeGraphError]) -> None:
    for day, error in withheld.items():
        seen.withheld.setdefault(day, type(error).__name__)


def _changed(rows: Rows, hit: pl.Expr, values: Mapping[str, object]) -> Rows:
    return rows.with_columns(
        pl.when(hit)
        .then(value if isinstance(value, pl.Expr) else pl.lit(value))
        .otherwise(pl.col(name))
        .alias(name)
        for name, value in values.items()
    )
