"""Sealed secrets in a table that all markets share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

from sqlalchemy import Connection, delete, insert, select, update

from tradegraph_dagster.adapters.sql.access_tables import CREDENTIALS
from tradegraph_dagster.adapters.sql.audit_log import Ledger
from tradegraph_dagster.domain.access.schema import Credential


class SqlCredentialBook:
    """A CredentialBook.

    Args:
        ledger: Of the chain that people and credentials share.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def credentials(self) -> Sequence[Credential]:
        """All of them, by name."""
        with self._ledger.reading() as connection:
            return _read(connection)

    def put(self, credential: Credential) -> None:
        """Store one; one of the same name is replaced."""
        with self._ledger.writing() as act:
            known = {one.name for one in _read(act.connection)}
            act.connection.execute(delete(CREDENTIALS).where(CREDENTIALS.c.name == credential.name))
            act.connection.execute(insert(CREDENTIALS).values(asdict(credential)))
            act.append(
                "credential_replaced" if credential.name in known else "credential_stored",
                user=credential.updated_by,
                details={"name": credential.name},
            )

    def reseal(self, renew: Callable[[str], str], *, actor: str) -> int:
        """Seal every secret anew, all or none."""
        with self._ledger.writing() as act:
            known = _read(act.connection)
            for credential in known:
                same = CREDENTIALS.c.name == credential.name
                renewed = {
                    "sealed": renew(credential.sealed),
                    "updated_by": actor,
                    "updated_at": self._ledger.clock.now(),
                }
                act.connection.execute(update(CREDENTIALS).where(same).values(renewed))
            act.append("credentials_resealed", user=actor, details={"credentials": len(known)})
        return len(known)


def _read(connection: Connection) -> Sequence[Credential]:
    query = select(CREDENTIALS).order_by(CREDENTIALS.c.name)
    return [Credential(**row._asdict()) for row in connection.execute(query)]
