"""Whether a model may be traded on a session."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.monitoring.drift import RED, drift_level
from tradegraph_dagster.domain.monitoring.schema import DRIFT_REPORT
from tradegraph_dagster.domain.registry.history import champion_as_of


def model_refusal(
    ws: Workspace, version: str, session: date, *, has_traded: Callable[[], bool]
) -> str | None:
    """Why weights of a model must not be traded; None where they may.

    The promotion that made it champion is its approval. Its artifact was compared with what was
    registered when the forecasts were made. The settlement of the session, which comes before any
    decision on it, makes its drift report: an older one says nothing of the newest data.

    Start-up exemption: a ledger that has traded nothing yet needs no report as long as there is
    none at all, so that its first orders can go out.

    Args:
        ws: Reads `champion` and the newest `drift_report` up to the session.
        version: Of the model that the weights came from.
        session: Session t of the weights.
        has_traded: Whether the ledger has a fill up to the session; asked only without any report.
    """
    champion = champion_as_of(ws, session)
    if champion != version:
        return f"the champion of {session} is {champion or 'none'}, not this model"
    reports = [day for day in ws.store.partitions(DRIFT_REPORT.name) if day <= session]
    newest = max(reports, default=None)
    if newest is None and not has_traded():
        return None
    if newest != session:
        return (
            f"expected the drift report of {session}, found {newest or 'none'}: materialise "
            f"drift_report of {session} before the decision"
        )
    if drift_level(ws.store.read(DRIFT_REPORT, [session])) == RED:
        return f"the drift report of {session} is red"
    return None
