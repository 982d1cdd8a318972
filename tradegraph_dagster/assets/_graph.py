"""One market's corner of the graph: partitions, keys and how its assets depend on each other."""

from __future__ import annotations

from dataclasses import dataclass

import dagster as dg

from tradegraph_dagster.domain.markets.catalogue import load_market
from tradegraph_dagster.domain.markets.schema import Market
from tradegraph_dagster.market_settings import MarketSettings
from tradegraph_dagster.partitions import month_partitions, session_partitions


@dataclass(frozen=True)
class MarketGraph:
    """What the asset builders of one market share."""

    name: str
    market: Market
    settings: MarketSettings
    sessions: dg.DailyPartitionsDefinition
    months: dg.MonthlyPartitionsDefinition

    @classmethod
    def of(cls, name: str, settings: MarketSettings) -> MarketGraph:
        """The graph of a market under its settings."""
        market = load_market(name)
        return cls(
            name,
            market,
            settings,
            session_partitions(market.calendar, settings),
            month_partitions(market.calendar, settings),
        )

    def key(self, noun: str) -> dg.AssetKey:
        """Asset key [market, noun]."""
        return dg.AssetKey([self.name, noun])

    def same(self, *nouns: str) -> list[dg.AssetDep]:
        """The same partition of each noun."""
        return [dg.AssetDep(self.key(noun)) for noun in nouns]

    def window(self, noun: str, first: int, last: int = 0) -> dg.AssetDep:
        """Partitions of `noun` from `first` to `last`, counted from this one."""
        mapping = dg.TimeWindowPartitionMapping(start_offset=first, end_offset=last)
        return dg.AssetDep(self.key(noun), partition_mapping=mapping)

    def month(self, noun: str) -> dg.AssetDep:
        """The month partition of `noun` that a session lies in."""
        return dg.AssetDep(self.key(noun), partition_mapping=dg.TimeWindowPartitionMapping())
