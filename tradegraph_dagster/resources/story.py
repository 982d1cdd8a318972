"""Desks -> the report: reads each market's settled tables, renders the page, writes it whole.

Beside the page lie the pages of each market's table contract, which it links.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from tradegraph_dagster.adapters.report.story import DATA_COVERAGE, SIGNAL_SESSIONS, MarketStory
from tradegraph_dagster.domain.core.errors import StoreUnavailable
from tradegraph_dagster.domain.core.frames import FrameSchema, conform_frame
from tradegraph_dagster.domain.models.ic import session_ics
from tradegraph_dagster.domain.models.schema import EVALUATION
from tradegraph_dagster.domain.monitoring.schema import DRIFT_REPORT
from tradegraph_dagster.domain.orders.schema import FILLS, ORDERS
from tradegraph_dagster.domain.performance.schema import DAILY_PNL
from tradegraph_dagster.domain.quality.schema import BAR_FINDINGS, QUARANTINED_BARS, VALIDATED_BARS
from tradegraph_dagster.domain.reconciliation.schema import BREAKS, POSITIONS
from tradegraph_dagster.domain.registry.history import champion_as_of
from tradegraph_dagster.domain.registry.schema import CHAMPION
from tradegraph_dagster.domain.signals.schema import FORECASTS
from tradegraph_dagster.resources.desk import Desks, MarketDesk
from tradegraph_dagster.resources.page_file import replace_page
from tradegraph_dagster.settings import PROJECT_ROOT

DATA_DOCS = "data_docs"
DATA_DOCS_SESSIONS = 60
MARKET_NAMES = {"us": "US equities", "cn": "China A-shares"}


@dataclass(frozen=True)
class ReportOutcome:
    """Where the report is, its content's hash, and the key plots as Markdown.

    Attributes:
        data_docs: Market -> page of its contract's results; none while no session is judged.
    """

    path: Path
    fingerprint: str
    plots: Mapping[str, str]
    data_docs: Mapping[str, Path]


def write_report(desks: Desks) -> ReportOutcome:
    """Render the report of every market and put it beside the lake as `report.html`.

    Raises:
        StoreUnavailable: The page could not be written; the old one is untouched.
    """
    from tradegraph_dagster.adapters.report.page import render_report

    contracts = {desk.name: first for desk in desks.values() if (first := write_data_docs(desk))}
    stories = [desk_to_story(desk, contracts.get(desk.name)) for desk in desks.values()]
    path = desks.settings.root / "report.html"
    page = render_report(
        stories,
        title=f"Tradegraph, {desks.settings.environment}",
        generated_note=f"Made from the settled tables in {_shown(desks.settings.lake_dir)}.",
    )
    replace_page(path, page)
    return ReportOutcome(
        path, hashlib.sha256(page.encode()).hexdigest(), _key_plots(stories), contracts
    )


def write_data_docs(desk: MarketDesk) -> Path | None:
    """The contract's pages over the newest judged sessions, which take the place of the old ones.

    Returns:
        The page of the results; None while no session has been judged.

    Raises:
        StoreUnavailable: The pages could not be written.
    """
    from tradegraph_dagster.adapters.great_expectations.table_contract import build_data_docs
    from tradegraph_dagster.domain.quality.step import read_profiles

    judged = sorted(desk.workspace.store.partitions(BAR_FINDINGS.name))[-DATA_DOCS_SESSIONS:]
    if not judged:
        return None
    folder = desk.deployment.root / DATA_DOCS / desk.name
    fresh = folder.with_name(f".{desk.name}.{os.getpid()}.tmp")
    try:
        page = build_data_docs(read_profiles(desk.workspace, judged), fresh).relative_to(fresh)
        shutil.rmtree(folder, ignore_errors=True)
        fresh.replace(folder)
    except OSError as error:
        raise StoreUnavailable(f"cannot write {folder}: {error}; make the report again") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return folder / page


def desk_to_story(desk: MarketDesk, data_docs: Path | None) -> MarketStory:
    """A market's settled tables, the IC of what was forecast, and where its contract's page is."""
    sources = [source.parsed_options for source in desk.settings.sources]
    planted = next((getattr(one, "rank_ic", None) for one in sources), None)
    newest = max(desk.workspace.store.partitions(VALIDATED_BARS.name), default=None)
    champion = champion_as_of(desk.workspace, newest) if newest else None
    return MarketStory(
        market=desk.name,
        name=MARKET_NAMES.get(desk.name, desk.name),
        currency=desk.market.currency,
        daily_pnl=_read_all(desk, DAILY_PNL),
        evaluation=_read_all(desk, EVALUATION),
        champion=_read_all(desk, CHAMPION),
        signal=_signal_sessions(desk),
        positions=_read_all(desk, POSITIONS),
        orders=_read_all(desk, ORDERS),
        fills=_read_all(desk, FILLS),
        breaks=_read_all(desk, BREAKS),
        coverage=_coverage(desk),
        drift=_newest(desk, DRIFT_REPORT),
        overlap=desk.settings.split_plan.span.overlap,
        planted_rank_ic=planted,
        is_synthetic=any(source.kind == "synthetic" for source in desk.settings.sources),
        facts={
            "source": ", ".join(source.kind for source in desk.settings.sources),
            "champion": champion or "none",
            "feature set": desk.feature_set.version,
            "lake": _shown(desk.deployment.lake_dir / desk.name),
        },
        links={"table contract": str(data_docs.relative_to(desk.deployment.root))}
        if data_docs
        else {},
    )


def _read_all(desk: MarketDesk, schema: FrameSchema) -> pl.DataFrame:
    store = desk.workspace.store
    return store.read(schema, sorted(store.partitions(schema.name)))


def _newest(desk: MarketDesk, schema: FrameSchema) -> pl.DataFrame:
    store = desk.workspace.store
    return store.read(schema, sorted(store.partitions(schema.name))[-1:])


def _signal_sessions(desk: MarketDesk) -> pl.DataFrame:
    store, labels = desk.workspace.store, desk.settings.split_plan.span.table
    both = store.partitions(FORECASTS.name) & store.partitions(labels.name)
    days = sorted(both)
    if not days:
        return SIGNAL_SESSIONS.empty()
    ics = session_ics(
        store.read(FORECASTS, days),
        store.read(labels, days),
        min_names=desk.settings.training.min_names,
    )
    return conform_frame(ics, SIGNAL_SESSIONS)


def _coverage(desk: MarketDesk) -> pl.DataFrame:
    store = desk.workspace.store
    validated = store.partitions(VALIDATED_BARS.name)
    days = sorted(store.partitions(BAR_FINDINGS.name))
    rows = [_coverage_row(desk, day, is_validated=day in validated) for day in days]
    return pl.DataFrame(rows, schema=DATA_COVERAGE.dtypes)


def _coverage_row(desk: MarketDesk, day: date, *, is_validated: bool) -> dict[str, object]:
    store = desk.workspace.store
    findings = store.read(BAR_FINDINGS, [day])["severity"]
    quarantined = store.read(QUARANTINED_BARS, [day]).height
    passed = store.read(VALIDATED_BARS, [day]) if is_validated else VALIDATED_BARS.empty()
    return {
        "session": day,
        "bars": passed.height + quarantined,
        "suspended_bars": int(passed["is_suspended"].sum()),
        "quarantined_bars": quarantined,
        **{
            f"{severity}_findings": int((findings == severity).sum())
            for severity in ("warn", "quarantine", "block")
        },
        "is_validated": is_validated,
    }


def _key_plots(stories: list[MarketStory]) -> dict[str, str]:
    from tradegraph_dagster.adapters.report import plots
    from tradegraph_dagster.adapters.report.metadata import figure_to_markdown
    from tradegraph_dagster.adapters.report.palette import market_colour

    found: dict[str, str] = {}
    for story in stories:
        colour = market_colour(story.market).on_light
        if story.daily_pnl.height:
            equity = plots.equity_plot(story.daily_pnl, colour=colour)
            drawdown = plots.drawdown_plot(story.daily_pnl, colour=colour)
            found[f"{story.market} equity"] = figure_to_markdown(equity)
            found[f"{story.market} drawdown"] = figure_to_markdown(drawdown)
        if story.evaluation.height:
            rank_ic = plots.monthly_ic_plot(
                story.signal,
                story.evaluation,
                colour=colour,
                overlap=story.overlap,
                planted=story.planted_rank_ic,
            )
            found[f"{story.market} rank_ic"] = figure_to_markdown(rank_ic)
    return found


def _shown(path: Path) -> str:
    """From the project's root where it lies below it: the page reads the same on every machine."""
    return str(path.relative_to(PROJECT_ROOT) if path.is_relative_to(PROJECT_ROOT) else path)
