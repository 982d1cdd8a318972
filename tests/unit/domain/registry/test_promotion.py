from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest

from tradegraph_dagster.domain.core.frames import conform_frame
from tradegraph_dagster.domain.models.schema import EVALUATION
from tradegraph_dagster.domain.registry.promotion import evaluations_to_verdict
from tradegraph_dagster.domain.registry.schema import PromotionPolicy

MONTH = date(2024, 3, 1)
POLICY = PromotionPolicy(min_rank_ic=0.01, margin=0.005, min_sessions=4)


def evaluation(**rank_ics: list[float | None]) -> pl.DataFrame:
    """RankIC by role, one session each from the first of January on."""
    rows = [
        (MONTH, role, date(2024, 1, 1) + timedelta(days=day), role[:3], value, value, 30)
        for role, values in rank_ics.items()
        for day, value in enumerate(values)
    ]
    return conform_frame(pl.DataFrame(rows, schema=EVALUATION.dtypes, orient="row"), EVALUATION)


def test_the_first_candidate_needs_only_the_floor() -> None:
    verdict = evaluations_to_verdict(
        evaluation(candidate=[0.0, 0.02, 0.02, 0.04]), POLICY, is_contested=False
    )
    assert verdict.is_promoted
    assert verdict.candidate_rank_ic == pytest.approx(0.02)
    assert verdict.champion_rank_ic is None
    assert verdict.sessions == 4


@pytest.mark.parametrize(
    ("candidate", "reason"),
    [
        ([0.02, 0.02, 0.02], "3 sessions with a RankIC, expected at least 4"),
        ([0.02, 0.02, 0.02, None], "3 sessions with a RankIC"),
        ([0.0, 0.0, 0.01, 0.02], "mean RankIC 0.0075, expected at least 0.0100"),
        ([], "0 sessions"),
    ],
)
def test_a_weak_candidate_stays_outside(candidate: list[float | None], reason: str) -> None:
    verdict = evaluations_to_verdict(evaluation(candidate=candidate), POLICY, is_contested=False)
    assert not verdict.is_promoted
    assert reason in verdict.reason


@pytest.mark.parametrize(("champion", "is_promoted"), [(0.0149, True), (0.0151, False)])
def test_a_champion_must_be_beaten_by_the_margin(champion: float, is_promoted: bool) -> None:
    rows = evaluation(candidate=[0.02] * 4, champion=[champion] * 4)
    verdict = evaluations_to_verdict(rows, POLICY, is_contested=True)
    assert verdict.is_promoted is is_promoted
    assert verdict.champion_rank_ic == pytest.approx(champion)


def test_only_sessions_of_both_are_compared() -> None:
    # The candidate's best days are days the champion has no figure for.
    rows = evaluation(
        candidate=[0.9, 0.9, 0.02, 0.02, 0.02, 0.02],
        champion=[None, None, 0.03, 0.03, 0.03, 0.03],
    )
    verdict = evaluations_to_verdict(rows, POLICY, is_contested=True)
    assert not verdict.is_promoted
    assert verdict.candidate_rank_ic == pytest.approx(0.02)
    assert verdict.sessions == 4


def test_a_champion_that_cannot_be_compared_is_not_replaced() -> None:
    verdict = evaluations_to_verdict(evaluation(candidate=[0.5] * 9), POLICY, is_contested=True)
    assert not verdict.is_promoted
    assert "0 sessions" in verdict.reason


def test_a_block_outweighs_any_figure() -> None:
    verdict = evaluations_to_verdict(
        evaluation(candidate=[0.5] * 9), POLICY, is_contested=False, blocked="drift is red"
    )
    assert not verdict.is_promoted
    assert verdict.reason == "blocked: drift is red"
    assert verdict.candidate_rank_ic == pytest.approx(0.5)
