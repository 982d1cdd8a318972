"""Is this machine and this deployment fit to run? One row a question."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from tradegraph_dagster.cli.audit import chain_row
from tradegraph_dagster.cli.sources import source_rows
from tradegraph_dagster.domain.core.errors import TradeGraphError
from tradegraph_dagster.domain.corporate_actions.ports import ActionSource
from tradegraph_dagster.domain.market_data.failover import SourcePanel
from tradegraph_dagster.domain.market_data.health import DataKind
from tradegraph_dagster.domain.market_data.normalise import Answer
from tradegraph_dagster.resources.chains import market_chain
from tradegraph_dagster.resources.desk import Desks, MarketDesk
from tradegraph_dagster.settings import PROJECT_ROOT, Settings, prepare_process

FREE_GIB = 2
COMPARED_DAYS = 365
DAYS_SHOWN = 5


def examine(settings: Settings) -> list[dict[str, Any]]:
    """Ask every question, whatever the answers to the others."""
    prepare_process(settings)
    desks = Desks(settings)
    questions: list[tuple[str, Callable[[], str]]] = [
        ("python", _python),
        ("disk", lambda: _disk(settings.root)),
        ("dbt manifest", _manifest),
    ]
    for desk in desks.values():
        questions += [
            (f"{desk.name} calendar", partial(_calendar, desk)),
            (f"{desk.name} vendor calendar", partial(_vendor_calendar, desk)),
            (f"{desk.name} source", partial(_source, desk)),
            (f"{desk.name} corporate actions", partial(_actions, desk)),
            (f"{desk.name} ledger", partial(_ledger, desk)),
            (f"{desk.name} audit chain", partial(_chain, desk)),
        ]
    return [_answer(name, question) for name, question in questions]


def _answer(name: str, question: Callable[[], str]) -> dict[str, Any]:
    try:
        return {"question": name, "ok": True, "answer": question()}
    except (TradeGraphError, OSError) as error:
        return {"question": name, "ok": False, "answer": str(error)}


def _python() -> str:
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        raise OSError(f"expected Python 3.11 to 3.13, found {sys.version.split()[0]}")
    return sys.version.split()[0]


def _disk(root: Path) -> str:
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=root) as probe:
        probe.write(b"tradegraph")
    free = shutil.disk_usage(root).free / 2**30
    if free < FREE_GIB:
        raise OSError(f"expected {FREE_GIB} GiB free at {root}, found {free:.1f}")
    return f"{free:.0f} GiB free at {root}"


def _manifest() -> str:
    path = PROJECT_ROOT / "dbt" / "target" / "manifest.json"
    if not path.exists():
        raise OSError(f"{path} is missing; run `make setup`")
    return str(path)


def _calendar(desk: MarketDesk) -> str:
    calendar = desk.market.calendar
    newest = calendar.latest_closed(desk.clock.now())
    calendar.require_runway(newest)
    left = len(calendar.between(newest, calendar.sessions[-1])) - 1
    return f"{left} sessions known after {newest}"


def _vendor_calendar(desk: MarketDesk) -> str:
    """A closure announced after our calendar was made: ask the vendors about the last year."""
    calendar = desk.market.calendar
    last = calendar.latest_closed(desk.clock.now())
    first = last - timedelta(days=COMPARED_DAYS)
    ours = set(calendar.between(first, last))
    for source in desk.calendar_sources:
        theirs = set(source.trading_days(first, last))
        if odd := sorted(ours ^ theirs):
            shown = ", ".join(
                f"{day} ({'ours' if day in ours else 'theirs'} only)" for day in odd[:DAYS_SHOWN]
            )
            raise OSError(
                f"{source.name} trades on other days than calendar {calendar.name} from {first} to "
                f"{last}: {len(odd)} differ, such as {shown}; upgrade to a version that knows them"
            )
    names = ", ".join(source.name for source in desk.calendar_sources)
    return f"{names} agrees from {first} to {last}" if names else "no source publishes one"


def _source(desk: MarketDesk) -> str:
    """Every source and the state of its breakers; asks none. Nobody left to ask is a fault."""
    rows = source_rows(desk)
    told = "; ".join(f"{row['source']} {row['data']}: {row['breaker']}" for row in rows)
    for data in {row["data"]: None for row in rows}:
        mine = [row for row in rows if row["data"] == data]
        if all(row["breaker"] == "open" for row in mine):
            raise OSError(f"no source of {data} may be asked now: {told}; see `tradegraph sources`")
    return told


def _actions(desk: MarketDesk) -> str:
    """Without events no session can be adjusted: ask for those of the newest until one answers."""

    def ask(source: ActionSource, days: Sequence[date]) -> Answer:
        return Answer(source.corporate_actions(days), tuple(days))

    newest = desk.latest_closed()
    # Without a watch: a question of ours says nothing of how the sources serve the desk.
    panel = SourcePanel(desk.action_sources.sources)
    answer = panel.gather([newest], ask, data=DataKind.ACTIONS)
    return f"{answer.answered_by[newest]} answers for {newest}"


def _ledger(desk: MarketDesk) -> str:
    reason = desk.books.kill_switch.engaged()
    return f"kill switch engaged: {reason}" if reason else "kill switch off"


def _chain(desk: MarketDesk) -> str:
    row = chain_row(market_chain(desk))
    if not row["intact"]:
        raise OSError(str(row["damage"]))
    return f"{row['entries']} entries intact"
