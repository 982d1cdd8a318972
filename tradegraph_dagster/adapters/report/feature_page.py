"""A feature profile -> one HTML page that needs nothing else: no script, no font, no request."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

import numpy as np

from tradegraph_dagster.adapters.report.formats import day, number, percent, with_error
from tradegraph_dagster.adapters.report.page import Tile
from tradegraph_dagster.adapters.report.palette import market_colour
from tradegraph_dagster.adapters.report.small_charts import (
    autocorrelation_chart,
    coverage_chart,
    horizon_chart,
    horizon_spark,
    quantile_chart,
)
from tradegraph_dagster.domain.monitoring.feature_profile import HORIZONS, LAGS, FeatureProfile

SHOWN_HORIZONS = (1, 5, 20)
# With 158 features, chance alone puts one in two sets this far out.
NOTABLE_ERRORS = 3.0
CHANCE = math.erfc(NOTABLE_ERRORS / math.sqrt(2))


@dataclass(frozen=True)
class Estimate:
    """A number with its error as text, and whether it is far from zero."""

    text: str
    is_notable: bool


@dataclass(frozen=True)
class FeatureEntry:
    """Everything the page says of one feature."""

    name: str
    formula: str
    coverage: str
    spread: str
    autocorrelation: tuple[str, ...]
    rank_ic: tuple[Estimate, ...]
    spark: str
    charts: tuple[tuple[str, str], ...]


def render_feature_page(profile: FeatureProfile, *, market: str, market_name: str) -> str:
    """The whole page as text; the same profile gives the same page, byte for byte."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("feature_page.html.j2").render(
        title=f"{profile.set_name}, {market_name}",
        market=market,
        # The report's style sheet takes its colours from the sections.
        sections=[{"story": {"market": market}, "colour": market_colour(market)}],
        version=profile.version,
        period=f"{day(profile.sessions[0])} to {day(profile.sessions[-1])}",
        tiles=_tiles(profile),
        horizons=SHOWN_HORIZONS,
        lags=LAGS,
        entries=list(_entries(profile)),
    )


def _tiles(profile: FeatureProfile) -> tuple[Tile, ...]:
    features = len(profile.definitions)
    ratio = np.abs(profile.rank_ic / profile.rank_ic_error)
    notable = int((ratio[:, HORIZONS.index(1)] > NOTABLE_ERRORS).sum())
    coverage = [_mean(column) for column in profile.coverage.T]
    return (
        Tile("Features", number(features), f"version {profile.version.rpartition('-')[2]}"),
        Tile(
            "Sessions",
            number(len(profile.sessions)),
            f"{number(profile.names)} members of the universe on average",
        ),
        Tile(
            "Mean coverage",
            percent(_mean(profile.coverage)),
            _lowest(list(profile.definitions), coverage),
        ),
        Tile(
            f"RankIC beyond {NOTABLE_ERRORS:.0f} errors",
            number(notable),
            f"at 1 session; chance alone gives {number(CHANCE * features, 1)}",
        ),
    )


def _lowest(names: list[str], coverage: list[float]) -> str:
    known = [
        (share, name) for name, share in zip(names, coverage, strict=True) if math.isfinite(share)
    ]
    return f"lowest {min(known, key=itemgetter(0))[1]}" if known else "no session has a member"


def _entries(profile: FeatureProfile) -> Iterator[FeatureEntry]:
    known = np.abs(profile.rank_ic[np.isfinite(profile.rank_ic)])
    reach = max(float(np.quantile(known, 0.99)) if known.size else 0.0, 1e-3)
    for at, (name, formula) in enumerate(profile.definitions.items()):
        ic, ic_error = profile.rank_ic[at], profile.rank_ic_error[at]
        lag, lag_error = profile.autocorrelation[at], profile.autocorrelation_error[at]
        coverage, quantiles = profile.coverage[:, at], profile.quantiles[:, at]
        low, *_, high = (_mean(column) for column in quantiles.T)
        yield FeatureEntry(
            name=name,
            formula=formula,
            coverage=percent(_mean(coverage)),
            spread=f"{_value(low)} to {_value(high)}",
            autocorrelation=tuple(number(float(value), 2) for value in lag),
            rank_ic=tuple(
                _estimate(ic[HORIZONS.index(one)], ic_error[HORIZONS.index(one)])
                for one in SHOWN_HORIZONS
            ),
            spark=horizon_spark(ic, reach),
            charts=(
                ("Coverage", coverage_chart(profile.months, coverage)),
                ("Distribution", quantile_chart(profile.months, quantiles)),
                ("Rank autocorrelation", autocorrelation_chart(LAGS, lag, lag_error)),
                ("RankIC by horizon", horizon_chart(HORIZONS, ic, ic_error)),
            ),
        )


def _estimate(value: float, error: float) -> Estimate:
    is_notable = math.isfinite(error) and abs(value) > NOTABLE_ERRORS * error
    return Estimate(with_error(float(value), float(error), 4), is_notable)


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else math.nan


def _value(value: float) -> str:
    """As many digits as a feature of any size needs."""
    if not math.isfinite(value):
        return number(None)
    size = abs(value)
    return number(value, 0 if size >= 1000 else 2 if size >= 10 else 4)
