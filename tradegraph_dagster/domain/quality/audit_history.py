"""Every audit over a vendor's whole history."""

from __future__ import annotations

import polars as pl

from tradegraph_dagster.domain.core.catalogue import entry_names, load_entry
from tradegraph_dagster.domain.quality import audits
from tradegraph_dagster.domain.quality.history import HISTORY_FINDINGS, Audit, VendorHistory


def audit_history(history: VendorHistory) -> pl.DataFrame:
    """Run every audit of the catalogue; HISTORY_FINDINGS rows, which change no table."""
    catalogue: list[Audit] = [load_entry(audits, name, "AUDIT") for name in entry_names(audits)]
    return pl.concat(audit.find(history) for audit in catalogue).sort(HISTORY_FINDINGS.key)
