"""What is known of each feature: coverage, distribution, persistence, and what it says of returns.

Only members of the universe count, as in training. Sessions are streamed, a few at a time; what is
kept of each is a few numbers a feature, and the ranks of the newest twenty.

A RankIC is the rank correlation of a feature at t with the return from the close of t+1 to that of
t+1+h, among the names that have both; each side is ranked among the names that have it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from tradegraph_dagster.domain.core.errors import MissingSession
from tradegraph_dagster.domain.core.frame_store import batched_sessions
from tradegraph_dagster.domain.core.frames import SESSION_SYMBOL
from tradegraph_dagster.domain.datasets.schema import ENTRY_SESSIONS
from tradegraph_dagster.domain.features.compute import bars_to_features
from tradegraph_dagster.domain.features.inputs import read_inputs
from tradegraph_dagster.domain.features.schema import FEATURES, FeatureSet
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.models.ic import FEWEST_SPANS, mean_with_error
from tradegraph_dagster.domain.quality.schema import VALIDATED_BARS
from tradegraph_dagster.domain.universe.schema import UNIVERSE

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
LAGS = (1, 5, 20)
HORIZONS = tuple(range(1, 21))
# Rank autocorrelations of neighbouring sessions share most of their windows.
LAG_OVERLAP = 20
CHUNK_SESSIONS = 20

FeatureReader = Callable[[Sequence[date]], pl.DataFrame]


@dataclass(frozen=True)
class FeatureProfile:
    """Statistics of a set's features over some sessions; F features, M months.

    Attributes:
        set_name: Name of the set.
        version: Its version.
        definitions: Feature -> formula, in column order.
        sessions: Sessions that were read, ascending.
        names: Mean number of members a session.
        months: First days of the months, ascending.
        coverage: Share of members with a finite value, shape (M, F); NaN without members.
        quantiles: Mean over a month's sessions of the session's QUANTILES, shape (M, F, 5); NaN
            without values.
        autocorrelation: Mean over sessions of the rank correlation of t with t - lag, shape
            (F, LAGS).
        autocorrelation_error: Newey-West standard error with LAG_OVERLAP lags; NaN with fewer
            sessions than FEWEST_SPANS spans.
        rank_ic: Mean over sessions, shape (F, HORIZONS).
        rank_ic_error: Newey-West standard error with h - 1 lags, for returns that overlap; NaN as
            above.
    """

    set_name: str
    version: str
    definitions: Mapping[str, str]
    sessions: tuple[date, ...]
    names: float
    months: tuple[date, ...]
    coverage: np.ndarray
    quantiles: np.ndarray
    autocorrelation: np.ndarray
    autocorrelation_error: np.ndarray
    rank_ic: np.ndarray
    rank_ic_error: np.ndarray


@dataclass(frozen=True)
class _SessionNumbers:
    """What is kept of one session, the first axis features."""

    session: date
    members: int
    coverage: np.ndarray
    quantiles: np.ndarray
    autocorrelation: np.ndarray
    rank_ic: np.ndarray


def profile_stored(
    ws: Workspace, feature_set: FeatureSet, *, count: int, min_names: int
) -> FeatureProfile:
    """Profile the features in the lake, over the newest `count` sessions.

    Args:
        ws: Reads features, `universe` and `validated_bars`.
        feature_set: What the lake holds.
        count: Sessions, at most.
        min_names: Names that a correlation needs; with fewer it is NaN.

    Raises:
        MissingSession: No session has both features and a universe, or no bar of them is left.
        CorruptPartition: The stored features are of another set or version.
    """
    made = ws.store.partitions(FEATURES) & ws.store.partitions(UNIVERSE.name)

    def read(days: Sequence[date]) -> pl.DataFrame:
        return ws.store.read(feature_set.schema, days)

    return _profile(ws, feature_set, sorted(made)[-count:], read, min_names)


def profile_computed(
    ws: Workspace, feature_set: FeatureSet, *, count: int, min_names: int, threads: int = 1
) -> FeatureProfile:
    """Profile a set that the lake does not hold, computed from its validated bars.

    Args:
        ws: Reads `universe`, `validated_bars` and what else the set reads.
        feature_set: Any set.
        count: Sessions, at most.
        min_names: As in `profile_stored`.
        threads: Processors to compute with.

    Raises:
        MissingSession: No session has a universe and a whole window of validated bars.
    """
    length = feature_set.lookback + 1
    validated = ws.store.partitions(VALIDATED_BARS.name)
    known = [
        day
        for day in sorted(ws.store.partitions(UNIVERSE.name))
        if validated.issuperset(ws.trailing(day, length))
    ]

    def compute(days: Sequence[date]) -> pl.DataFrame:
        window = sorted({one for day in days for one in ws.trailing(day, length)})
        return bars_to_features(
            read_inputs(ws, feature_set, window),
            feature_set,
            sessions=days,
            calendar=ws.calendar,
            history_begins=ws.first_session,
            threads=threads,
        )

    return _profile(ws, feature_set, known[-count:], compute, min_names)


def _profile(
    ws: Workspace,
    feature_set: FeatureSet,
    sessions: Sequence[date],
    read: FeatureReader,
    min_names: int,
) -> FeatureProfile:
    if not sessions:
        raise MissingSession(
            "no session has both features and a universe; backfill them first", table=FEATURES
        )
    numbers = list(_stream(ws, sessions, tuple(feature_set.definitions), read, min_names))
    months = sorted({one.session.replace(day=1) for one in numbers})
    by_month = [[one for one in numbers if one.session.replace(day=1) == month] for month in months]
    autocorrelation = np.stack([one.autocorrelation for one in numbers])
    rank_ic = np.stack([one.rank_ic for one in numbers])
    lagged = [_means(autocorrelation[:, :, at], LAG_OVERLAP) for at in range(len(LAGS))]
    held = [_means(rank_ic[:, :, at], horizon - 1) for at, horizon in enumerate(HORIZONS)]
    return FeatureProfile(
        set_name=feature_set.name,
        version=feature_set.version,
        definitions=feature_set.definitions,
        sessions=tuple(one.session for one in numbers),
        names=float(np.mean([one.members for one in numbers])),
        months=tuple(months),
        coverage=np.stack([_mean_of([one.coverage for one in part]) for part in by_month]),
        quantiles=np.stack([_mean_of([one.quantiles for one in part]) for part in by_month]),
        autocorrelation=np.stack([mean for mean, _ in lagged], axis=1),
        autocorrelation_error=np.stack([error for _, error in lagged], axis=1),
        rank_ic=np.stack([mean for mean, _ in held], axis=1),
        rank_ic_error=np.stack([error for _, error in held], axis=1),
    )


def _stream(
    ws: Workspace,
    sessions: Sequence[date],
    names: Sequence[str],
    read: FeatureReader,
    min_names: int,
) -> Iterator[_SessionNumbers]:
    closes = _Closes.read(ws, sessions)
    ranks_of: dict[int, np.ndarray] = {}
    for start in range(0, len(sessions), CHUNK_SESSIONS):
        chunk = sessions[start : start + CHUNK_SESSIONS]
        members = ws.store.read(UNIVERSE, chunk).filter("is_member").select(SESSION_SYMBOL)
        rows = read(chunk).join(members, on=SESSION_SYMBOL, how="semi")
        parts = rows.partition_by("session", as_dict=True, maintain_order=True)
        for session in chunk:
            part = parts.get((session,), rows.clear())
            at = closes.row_of[session]
            place = closes.places(part.get_column("symbol"))
            values = part.select(names).to_numpy().T.astype(np.float32)
            ranks = rank_rows(values)
            yield _SessionNumbers(
                session,
                part.height,
                np.isfinite(values).mean(axis=1) if part.height else np.full(len(names), np.nan),
                session_quantiles(values),
                _lagged(ranks, place, [ranks_of.get(at - lag) for lag in LAGS], min_names),
                rank_correlations(
                    ranks, rank_rows(closes.forward_returns(at)[:, place]), min_names=min_names
                ),
            )
            kept = np.full((len(names), closes.values.shape[1]), np.nan, dtype=np.float32)
            kept[:, place] = ranks
            kept[:, -1] = np.nan
            ranks_of[at] = kept
            ranks_of.pop(at - max(LAGS), None)


def rank_rows(values: np.ndarray) -> np.ndarray:
    """Average ranks from 1 in each row of a (k, names) array; NaN where a value is not finite."""
    if not values.size:
        return np.full(values.shape, np.nan)
    frame = pl.DataFrame(np.where(np.isfinite(values), values, np.nan).T)
    ranked = frame.select(pl.all().fill_nan(None).rank("average").cast(pl.Float64))
    return ranked.fill_null(np.nan).to_numpy().T


def session_quantiles(values: np.ndarray) -> np.ndarray:
    """QUANTILES of each row's finite values, linear between them; NaN for a row without any."""
    ordered = np.sort(np.where(np.isfinite(values), values, np.nan), axis=1)
    count = np.isfinite(ordered).sum(axis=1)
    found = np.full((len(values), len(QUANTILES)), np.nan)
    rows = np.flatnonzero(count)
    for at, share in enumerate(QUANTILES):
        exact = share * (count[rows] - 1)
        below = np.floor(exact).astype(np.int64)
        above = np.minimum(below + 1, count[rows] - 1)
        low, high = ordered[rows, below].astype(np.float64), ordered[rows, above]
        found[rows, at] = low + (exact - below) * (high - low)
    return found


def rank_correlations(left: np.ndarray, right: np.ndarray, *, min_names: int) -> np.ndarray:
    """Correlation of each row of `left` with each of `right` over the names that have both.

    Args:
        left: Ranks of shape (a, names), NaN where missing.
        right: Ranks of shape (b, names).
        min_names: Names that a correlation needs.

    Returns:
        Shape (a, b); NaN with fewer than `min_names` names or where one side does not vary.
    """
    sides = []
    for ranks in (left, right):
        known = np.isfinite(ranks)
        values = np.where(known, ranks, 0.0)
        sides.append(np.stack([known.astype(np.float64), values, values * values]))
    # Sizes are given, not found: without names there is nothing to find them from.
    names = left.shape[1]
    x, y = sides[0].reshape(3 * len(left), names), sides[1].reshape(3 * len(right), names)
    # One product for all sums: [what of x, row of left, what of y, row of right].
    sums = (x @ y.T).reshape(3, len(left), 3, len(right))
    return _correlation(
        sums[0, :, 0],
        (sums[1, :, 0], sums[0, :, 1]),
        (sums[2, :, 0], sums[0, :, 2]),
        sums[1, :, 1],
        min_names,
    )


def _lagged(
    ranks: np.ndarray, place: np.ndarray, earlier: Sequence[np.ndarray | None], min_names: int
) -> np.ndarray:
    """Rank correlation of each feature with itself at each lag, shape (F, lags)."""
    found = np.full((len(ranks), len(earlier)), np.nan)
    for at, before in enumerate(earlier):
        if before is not None:
            other = before[:, place].astype(np.float64)
            both = np.isfinite(ranks) & np.isfinite(other)
            x, y = np.where(both, ranks, 0.0), np.where(both, other, 0.0)
            found[:, at] = _correlation(
                both.sum(axis=1).astype(float),
                (x.sum(axis=1), y.sum(axis=1)),
                ((x * x).sum(axis=1), (y * y).sum(axis=1)),
                (x * y).sum(axis=1),
                min_names,
            )
    return found


def _correlation(
    count: np.ndarray,
    sums: tuple[np.ndarray, np.ndarray],
    squares: tuple[np.ndarray, np.ndarray],
    products: np.ndarray,
    min_names: int,
) -> np.ndarray:
    """Pearson's, from sums of ranks: halves, whose sums are exact, so no variance is noise."""
    spread = (count * squares[0] - sums[0] ** 2) * (count * squares[1] - sums[1] ** 2)
    is_known = (count >= min_names) & (spread > 0)
    together = count * products - sums[0] * sums[1]
    return np.where(is_known, together / np.sqrt(np.where(is_known, spread, 1.0)), np.nan)


@dataclass(frozen=True)
class _Closes:
    """Adjusted closes of traded bars, by calendar session and symbol; NaN where there is none."""

    row_of: Mapping[date, int]
    symbols: pl.Series
    values: np.ndarray

    @classmethod
    def read(cls, ws: Workspace, sessions: Sequence[date]) -> _Closes:
        """Of the sessions, and as far after them as returns reach and bars exist.

        Raises:
            MissingSession: Not one of the sessions has a traded bar.
        """
        validated = ws.store.partitions(VALIDATED_BARS.name)
        last = max(validated | {sessions[-1]})
        days = ws.calendar.between(sessions[0], last)
        days = days[: days.index(sessions[-1]) + 1 + ENTRY_SESSIONS + max(HORIZONS)]
        parts = [VALIDATED_BARS.empty().select(*SESSION_SYMBOL, "close")]
        for batch in batched_sessions([day for day in days if day in validated]):
            bars = ws.store.read(VALIDATED_BARS, batch)
            traded = bars.filter(~pl.col("is_suspended"), pl.col("volume") > 0)
            parts.append(traded.select(*SESSION_SYMBOL, "close"))
        rows = pl.concat(parts)
        if rows.is_empty():
            raise MissingSession(
                f"expected traded bars from {sessions[0]} to {sessions[-1]}, the sessions with "
                "features and a universe, found none; materialise them again",
                table=VALIDATED_BARS.name,
            )
        symbols = rows.get_column("symbol").unique().sort()
        row_of = {day: at for at, day in enumerate(days)}
        values = np.full((len(days), len(symbols) + 1), np.nan)
        at = rows.get_column("session").replace_strict(row_of, return_dtype=pl.Int64).to_numpy()
        values[at, symbols.search_sorted(rows.get_column("symbol")).to_numpy()] = rows.get_column(
            "close"
        ).to_numpy()
        return cls(row_of, symbols, values)

    def places(self, symbols: pl.Series) -> np.ndarray:
        """Column of each symbol; the last, empty one for one that never traded."""
        at = self.symbols.search_sorted(symbols).to_numpy()
        found = self.symbols.gather(np.minimum(at, len(self.symbols) - 1))
        return np.where((found == symbols).to_numpy(), at, len(self.symbols))

    def forward_returns(self, at: int) -> np.ndarray:
        """Returns from the close of t+1 over each of HORIZONS, shape (horizons, symbols)."""
        entry = at + ENTRY_SESSIONS
        found = np.full((len(HORIZONS), self.values.shape[1]), np.nan)
        for row, horizon in enumerate(HORIZONS):
            if entry + horizon < len(self.values):
                found[row] = self.values[entry + horizon] / self.values[entry] - 1
        return found


def _means(series: np.ndarray, overlap: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and error over the sessions of each column; NaN where there are too few.

    An error that features are marked by needs FEWEST_SPANS sessions even where none overlap.
    """
    means, errors = [], []
    for column in series.T:
        mean, error, n = mean_with_error(column, overlap=overlap)
        means.append(np.nan if mean is None else mean)
        errors.append(np.nan if error is None or n < FEWEST_SPANS else error)
    return np.array(means), np.array(errors)


def _mean_of(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Mean of what is known, NaN where nothing is."""
    stack = np.stack(parts)
    is_known = np.isfinite(stack)
    total = np.where(is_known, stack, 0.0).sum(axis=0)
    count = is_known.sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
