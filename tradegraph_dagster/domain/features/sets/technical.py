"""57 technical indicators over TA-Lib: trend, momentum, volatility, volume and cycle.

Their formulas are in `indicator_table`; the same with other windows is a file like this one. All
are ratios, shares or counts: neither the unit of prices nor that of volumes matters. Windows count
traded sessions; a session without trading is NaN. Each calendar quarter is computed anew from 384
sessions before it, so that a row reads 449 sessions before its own and no more.
"""

from __future__ import annotations

from tradegraph_dagster.domain.features.indicator_table import TechnicalWindows
from tradegraph_dagster.domain.features.technical import technical_set

FEATURE_SET = technical_set("technical", TechnicalWindows())
