"""Every audit over a vendor's whole history."""

from __future__ import annotations

import polars as pl

from tradegraph_dagster.domain.core.catalogue import entry_names, load_entry
from tradegraph_dagster.domain.quality import audits
from tradegraph_dagster.domain.quality.history import HISTORY_FINDINGS, VendorHistory


def audit_history(history: VendorHistory) -> pl.DataFrame:
    """Run every audit of the catalogue; HISTORY_FINDINGS rows, which change no table."""
    names = entry_names(audits)
    found = [load_entry(audits, name, "AUDIT").find(history) for name in names]
    return pl.concat(found).sort(HISTORY_FINDINGS.key)
