"""The health of sources in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tradegraph_dagster.domain.market_data.health import DataKind, SourceHealth


class MemorySourceHealth:
    """A SourceHealthBook that forgets with the process."""

    def __init__(self) -> None:
        self._healths: dict[tuple[str, DataKind], SourceHealth] = {}

    def read(self, data: DataKind) -> Mapping[str, SourceHealth]:
        """Source -> its health for one kind of data."""
        return {source: one for (source, kind), one in self._healths.items() if kind is data}

    def update(
        self, source: str, data: DataKind, change: Callable[[SourceHealth], SourceHealth]
    ) -> SourceHealth:
        """Keep what `change` makes of what is remembered."""
        before = self._healths.get((source, data), SourceHealth(source, data))
        self._healths[source, data] = change(before)
        return self._healths[source, data]
