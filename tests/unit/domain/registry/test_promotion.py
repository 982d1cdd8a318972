from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest

from tradegraph_dagster.domain.core.frames import conform_frame
from tradegraph_dagster.domain.models.schema import EVALUATION, ModelVersion
from tradegraph_dagster.domain.registry.promotion import evaluations_to_verdict, wrong_versions
from tradegraph_dagster.domain.registry.schema import PromotionPolicy

MONTH = date(2024, 3, 1)
POLICY = PromotionPolicy(min_rank_ic=0.01, margin=0.005, min_sessions=4)


def evaluation(**rank_ics: list[float | None]) -> pl.DataFrame:
    """RankIC by role, one session each from the first of January on."""
    rows = [
        (
            MONTH,
            role,
            date(2024, 1, 1) + timedelta(days=day),
            role[:3],
            value,
            value,
            30,
            value,
            value,
            28,
        )
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


def test_sessions_too_few_for_an_error_still_decide() -> None:
    values = [0.01, 0.03] * 20
    rows = evaluation(candidate=values)
    for overlap, is_known in ((0, True), (3, True), (4, False), (19, False)):
        verdict = evaluations_to_verdict(rows, POLICY, is_contested=False, overlap=overlap)
        assert verdict.is_promoted
        assert verdict.candidate_rank_ic == pytest.approx(0.02)
        assert (verdict.candidate_rank_ic_se is not None) == is_known


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


def rival(version: str = "cha", *, trained_through: date = date(2023, 12, 29)) -> ModelVersion:
    return ModelVersion(version, "0" * 64, trained_through, "lightgbm", "alpha158-1")


@pytest.mark.parametrize(
    ("roles", "incumbent", "wrong"),
    [
        (("candidate",), None, None),
        # Rows of a champion that cannot compete any more are not looked at.
        (("candidate", "champion"), None, None),
        (("candidate", "champion"), rival(), None),
        (("candidate",), rival(), "expected champion rows of version cha, found no version"),
        (
            ("candidate", "champion"),
            rival("new"),
            "expected champion rows of version new, found version cha",
        ),
        # A champion with nothing unseen can have no rows, however often the month is evaluated.
        (("candidate",), rival(trained_through=date(2024, 1, 2)), None),
        (("candidate",), rival(trained_through=date(2024, 1, 1)), "found no version"),
        ((), rival(), None),
    ],
)
def test_an_evaluation_is_of_the_two_models(
    roles: tuple[str, ...], incumbent: ModelVersion | None, wrong: str | None
) -> None:
    rows = evaluation(**{role: [0.02, 0.02] for role in roles})
    found = wrong_versions(rows, "can", incumbent)
    assert (found is None) if wrong is None else (found is not None and wrong in found)


def test_an_evaluation_of_another_candidate_is_named() -> None:
    both = pl.concat(
        [
            evaluation(candidate=[0.02]),
            evaluation(candidate=[0.03]).with_columns(model_version=pl.lit("old")),
        ]
    )
    assert wrong_versions(both, "can", None) == (
        "expected candidate rows of version can, found version can and old"
    )
    assert wrong_versions(both.tail(1), "can", None) is not None
