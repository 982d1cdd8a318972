"""Quarantined bars that people have let through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date

from sqlalchemy import insert, select

from tradegraph_dagster.adapters.sql.audit_log import Ledger
from tradegraph_dagster.adapters.sql.tables import QUARANTINE_RELEASES as TABLE
from tradegraph_dagster.domain.quality.releases import Release

_SEPARATOR = ","
_KEY = ("market", "session", "symbol", "bar", "gates")


class SqlReleaseBook:
    """A ReleaseBook of one market; each release is also an entry of the audit chain."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def record(self, release: Release) -> None:
        """Keep a release and write its audit entry; the same bar again changes nothing."""
        row = asdict(release) | {
            "market": self._ledger.market,
            "gates": _SEPARATOR.join(release.gates),
            "reason": self._ledger.clean(release.reason),
        }
        same = [TABLE.c[name] == row[name] for name in _KEY]
        with self._ledger.writing() as act:
            if act.connection.execute(select(TABLE.c.id).where(*same)).first() is not None:
                return
            act.connection.execute(insert(TABLE).values(row))
            details = {
                "session": release.session.isoformat(),
                "symbol": release.symbol,
                "bar": release.bar,
                "gates": list(release.gates),
                "reason": row["reason"],
            }
            act.append("quarantine_released", user=release.actor, details=details)

    def releases(self, sessions: Sequence[date]) -> tuple[Release, ...]:
        """Releases of these sessions, in the order they were made."""
        if not sessions:
            return ()
        # A span and not a list: databases bound the number of parameters.
        query = (
            select(TABLE)
            .where(
                TABLE.c.market == self._ledger.market,
                TABLE.c.session.between(min(sessions), max(sessions)),
            )
            .order_by(TABLE.c.id)
        )
        with self._ledger.reading() as connection:
            rows = connection.execute(query).all()
        wanted = frozenset(sessions)
        return tuple(
            Release(
                session=row.session,
                symbol=row.symbol,
                bar=row.bar,
                gates=tuple(row.gates.split(_SEPARATOR)),
                reason=row.reason,
                actor=row.actor,
                released_at=row.released_at,
            )
            for row in rows
            if row.session in wanted
        )
