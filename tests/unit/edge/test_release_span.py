"""How far a backfill must go after a bar was let through."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.deployment import small_settings
from tests.support.make_bars import make_adjusted_bars
from tradegraph_dagster.cli.backfill import labelled_sessions
from tradegraph_dagster.cli.quarantine import last_reader, validated_fingerprints
from tradegraph_dagster.domain.datasets.schema import LabelSpan
from tradegraph_dagster.domain.quality.schema import VALIDATED_BARS
from tradegraph_dagster.resources.desk import Desks, MarketDesk


def _desk(folder: Path, horizons: list[int]) -> MarketDesk:
    settings = small_settings(folder)
    market = settings.markets["cn"].model_copy(update={"label_horizons": horizons})
    return Desks(settings.model_copy(update={"markets": {"cn": market}}))["cn"]


@pytest.mark.parametrize(("horizons", "reach"), [([1, 20], 60), ([1, 59], 60), ([1, 90], 91)])
def test_it_ends_with_the_last_that_reads_the_bar_be_it_features_or_a_label(
    tmp_path: Path, horizons: list[int], reach: int
) -> None:
    desk = _desk(tmp_path, horizons)
    sessions = desk.market.calendar.between(desk.settings.history_first, desk.latest_closed())
    assert desk.feature_set.lookback == 60
    assert last_reader(desk, sessions[10]) == sessions[10 + reach]
    assert last_reader(desk, sessions[-5]) == sessions[-1]


@pytest.mark.parametrize("horizon", [1, 20, 90])
def test_every_label_that_reads_the_bar_is_among_those_made_again(
    tmp_path: Path, horizon: int
) -> None:
    desk = _desk(tmp_path, [1, horizon] if horizon > 1 else [1])
    calendar, span = desk.market.calendar, LabelSpan.of_horizon(horizon)
    sessions = calendar.between(desk.settings.history_first, desk.latest_closed())
    for day in sessions:
        desk.workspace.store.write(VALIDATED_BARS, day, VALIDATED_BARS.empty())
    released = sessions[95]
    readers = {day for day in sessions[: -span.exit] if released in span.sessions(calendar, day)}
    assert len(readers) == 3
    made = calendar.between(released, last_reader(desk, released))
    assert readers <= set(labelled_sessions(desk, made, span))


def test_what_the_gates_changed_is_seen_by_its_content(tmp_path: Path) -> None:
    desk = _desk(tmp_path, [1])
    days = desk.market.calendar.between(desk.settings.history_first, desk.latest_closed())[:3]
    store = desk.workspace.store
    bars = {day: make_adjusted_bars([day], ("000001.SZ", "600000.SH")) for day in days}
    for day in days[:2]:
        store.write(VALIDATED_BARS, day, bars[day])
    before = validated_fingerprints(desk, days)
    assert list(before) == list(days[:2])
    store.write(VALIDATED_BARS, days[0], bars[days[0]])
    assert validated_fingerprints(desk, days) == before
    store.write(VALIDATED_BARS, days[1], bars[days[1]].head(1))
    after = validated_fingerprints(desk, days)
    assert [day for day in days if before.get(day) != after.get(day)] == [days[1]]
