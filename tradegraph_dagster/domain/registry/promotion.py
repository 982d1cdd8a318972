"""Candidate against champion -> verdict."""

from __future__ import annotations

import polars as pl

from tradegraph_dagster.domain.models.ic import mean_with_error
from tradegraph_dagster.domain.models.schema import ModelVersion
from tradegraph_dagster.domain.registry.schema import PromotionPolicy, PromotionVerdict

CANDIDATE = "candidate"
CHAMPION_ROLE = "champion"


def evaluations_to_verdict(
    evaluation: pl.DataFrame,
    policy: PromotionPolicy,
    *,
    is_contested: bool,
    blocked: str | None = None,
    overlap: int = 0,
) -> PromotionVerdict:
    """Decide whether the candidate takes over.

    Against a champion both means are taken over the sessions on which both have a RankIC. The
    evaluation holds no session that either has seen; but the champion was chosen on some of them,
    which favours it: a candidate must beat a figure that is a little too good.

    Args:
        evaluation: EVALUATION rows of one month.
        policy: Least mean, margin and number of sessions.
        is_contested: A champion holds the place; without rows of its own nothing beats it.
        blocked: Why no candidate may be promoted now, such as a red drift report.
        overlap: Sessions by which labels overlap, for the standard error.
    """
    paired = _sessions_in_both(evaluation) if is_contested else _rank_ics(evaluation, CANDIDATE)
    candidate = mean_with_error(paired[CANDIDATE], overlap=overlap)
    champion = mean_with_error(paired[CHAMPION_ROLE]).mean if is_contested else None
    refusal = (
        (f"blocked: {blocked}" if blocked is not None else None)
        or _too_few(candidate.n, policy)
        or _below_floor(candidate.mean, policy)
        or _below_champion(candidate.mean, champion, policy)
    )
    return PromotionVerdict(
        is_promoted=refusal is None,
        reason=refusal or _praise(candidate.mean, champion, candidate.n),
        candidate_rank_ic=candidate.mean,
        candidate_rank_ic_se=candidate.standard_error,
        champion_rank_ic=champion,
        sessions=candidate.n,
    )


def wrong_versions(
    evaluation: pl.DataFrame, candidate: str, incumbent: ModelVersion | None
) -> str | None:
    """Say how an evaluation is not that of the two models to decide between; None where it is.

    A model trained again, or another champion since, leaves the old rows in place.

    Args:
        evaluation: EVALUATION rows of one month.
        candidate: Version that stands for the month.
        incumbent: Champion to beat, if one can compete. It has rows on each of the candidate's
            sessions that it has not seen: none at all where it has seen them all.
    """
    sessions = _role_rows(evaluation, CANDIDATE)["session"].to_list()
    expected = {CANDIDATE: {candidate} if sessions else set()}
    if incumbent is not None:
        is_scored = any(session > incumbent.trained_through for session in sessions)
        expected[CHAMPION_ROLE] = {incumbent.version} if is_scored else set()
    for role, versions in expected.items():
        found = set(_role_rows(evaluation, role)["model_version"])
        if found != versions:
            return f"expected {role} rows of {_list(versions)}, found {_list(found)}"
    return None


def _role_rows(evaluation: pl.DataFrame, role: str) -> pl.DataFrame:
    return evaluation.filter(pl.col("role") == role)


def _list(versions: set[str]) -> str:
    return "version " + " and ".join(sorted(versions)) if versions else "no version"


def _rank_ics(evaluation: pl.DataFrame, role: str) -> pl.DataFrame:
    return (
        _role_rows(evaluation, role)
        .filter(pl.col("rank_ic").is_finite())
        .select("session", pl.col("rank_ic").alias(role))
        .sort("session")
    )


def _sessions_in_both(evaluation: pl.DataFrame) -> pl.DataFrame:
    champion = _rank_ics(evaluation, CHAMPION_ROLE)
    return _rank_ics(evaluation, CANDIDATE).join(champion, on="session").sort("session")


def _too_few(sessions: int, policy: PromotionPolicy) -> str | None:
    if sessions >= policy.min_sessions:
        return None
    return f"{sessions} sessions with a RankIC, expected at least {policy.min_sessions}"


def _below_floor(mean: float | None, policy: PromotionPolicy) -> str | None:
    if mean is not None and mean >= policy.min_rank_ic:
        return None
    return f"mean RankIC {_show(mean)}, expected at least {_show(policy.min_rank_ic)}"


def _below_champion(
    mean: float | None, champion: float | None, policy: PromotionPolicy
) -> str | None:
    if champion is None or (mean is not None and mean >= champion + policy.margin):
        return None
    return (
        f"mean RankIC {_show(mean)}, the champion's on the same sessions {_show(champion)}, "
        f"expected a margin of at least {policy.margin}"
    )


def _praise(mean: float | None, champion: float | None, sessions: int) -> str:
    against = "no champion before" if champion is None else f"the champion's {_show(champion)}"
    return f"mean RankIC {_show(mean)} over {sessions} sessions; {against}"


def _show(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4f}"
