"""A desk -> the page of a feature set: profile of the lake's sessions, rendered, written whole."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from tradegraph_dagster.domain.core.frame_store import StepReport
from tradegraph_dagster.domain.features.catalogue import load_feature_set
from tradegraph_dagster.resources.desk import MarketDesk, processors
from tradegraph_dagster.resources.page_file import replace_page
from tradegraph_dagster.resources.story import MARKET_NAMES

FEATURE_PAGES = "feature_pages"
# Two years of sessions: errors at 20 sessions need ten spans of them.
PAGE_SESSIONS = 500


@dataclass(frozen=True)
class FeaturePage:
    """Where a page is, its content's hash, and what it stands on."""

    path: Path
    fingerprint: str
    version: str
    sessions: int


def page_path(desk: MarketDesk, set_name: str) -> Path:
    """Where a set's page is, or will be."""
    folder = set_name.replace(":", "-")
    return desk.deployment.root / FEATURE_PAGES / desk.name / folder / "index.html"


def write_feature_page(
    desk: MarketDesk, set_name: str | None = None, *, sessions: int = PAGE_SESSIONS
) -> FeaturePage:
    """Profile a set over the newest sessions and write its page.

    The features of the configured set are those in the lake; of any other set they are computed
    from the lake's validated bars, and not stored.

    Args:
        desk: The market.
        set_name: A set's name; the configured one if absent.
        sessions: How many, at most.

    Raises:
        ConfigError: No such set.
        MissingSession: Nothing to profile yet.
        CorruptPartition: The stored features are of another version.
        StoreUnavailable: The page could not be written.
    """
    from tradegraph_dagster.adapters.report.feature_page import render_feature_page
    from tradegraph_dagster.domain.monitoring.feature_profile import (
        profile_computed,
        profile_stored,
    )

    feature_set = load_feature_set(set_name or desk.settings.features)
    ws, least = desk.workspace, desk.settings.training.min_names
    if feature_set.version == desk.feature_set.version:
        profile = profile_stored(ws, feature_set, count=sessions, min_names=least)
    else:
        profile = profile_computed(
            ws, feature_set, count=sessions, min_names=least, threads=processors()
        )
    page = render_feature_page(
        profile, market=desk.name, market_name=MARKET_NAMES.get(desk.name, desk.name)
    )
    path = page_path(desk, feature_set.name)
    replace_page(path, page)
    fingerprint = hashlib.sha256(page.encode()).hexdigest()
    return FeaturePage(path, fingerprint, profile.version, len(profile.sessions))


def link_feature_page(desk: MarketDesk, report: StepReport) -> StepReport:
    """Add where the configured set's page is, or will be, to what was written."""
    path = page_path(desk, desk.feature_set.name)
    linked = (
        replace(one, facts={**one.facts, "feature_page": str(path)}) for one in report.written
    )
    return replace(report, written=tuple(linked))
