"""Orders at the broker against the chain: what no hash can show is an entry never written."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tradegraph_dagster.domain.audit.events import ORDER_SUBMITTING
from tradegraph_dagster.domain.audit.schema import AuditEntry

_NAMED = re.compile(r'"client_order_id":"([^"]*)"')


def orders_without_entry(
    entries: Iterable[AuditEntry], client_order_ids: Iterable[str]
) -> tuple[str, ...]:
    """Orders whose sending the chain does not hold: with us or with it, something is wrong.

    An entry about a fill is none, because an order from elsewhere has fills, too.

    Args:
        entries: The chain, streamed.
        client_order_ids: Ours, as the broker has them.

    Returns:
        Those without an entry, sorted.
    """
    missing = set(client_order_ids)
    for entry in entries:
        if not missing:
            break
        if entry.event == ORDER_SUBMITTING:
            missing.difference_update(_NAMED.findall(entry.details_json))
    return tuple(sorted(missing))
