"""A file of bars through `tradegraph features compute`: same bits in any order, and bad files."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from tests.support.alpha158_oracle import FIELDS, alpha158_oracle, golden_fields, random_fields
from tradegraph_dagster.adapters.parquet import feature_file
from tradegraph_dagster.adapters.parquet.feature_file import FeatureFile, bar_file_to_features
from tradegraph_dagster.cli.main import app
from tradegraph_dagster.domain.core.errors import SchemaError, StoreUnavailable
from tradegraph_dagster.domain.features.catalogue import load_feature_set

ALPHA158 = load_feature_set("alpha158")
NAMES = list(ALPHA158.definitions)
BY_SESSION, BY_SYMBOL = ("session", "symbol"), ("symbol", "session")
ROWS = 200


def make_bars(instruments: int = 6) -> pl.DataFrame:
    """Instruments with every trouble that `random_fields` has; each listed later than the last."""
    days = pl.date_range(date(2020, 1, 1), date(2021, 12, 31), eager=True)[:ROWS]
    parts = [
        pl.DataFrame(
            {"session": days[7 * k :], "symbol": f"60000{k}.SH"}
            | {name: values[7 * k :] for name, values in random_fields(k, rows=ROWS).items()}
        )
        for k in range(instruments)
    ]
    return pl.concat(parts).with_columns(pl.col("symbol").cast(pl.String)).sort(BY_SESSION)


def compute(bars: pl.DataFrame, tmp_path: Path, *, threads: int = 2) -> pl.DataFrame:
    bars.write_parquet(tmp_path / "in.parquet")
    done = bar_file_to_features(
        tmp_path / "in.parquet", tmp_path / "out.parquet", ALPHA158, threads=threads
    )
    assert done.rows == bars.height
    return pl.read_parquet(tmp_path / "out.parquet")


def same_bits(left: pl.DataFrame, right: pl.DataFrame) -> bool:
    return left.select("session", "symbol").equals(right.select("session", "symbol")) and all(
        left.get_column(name).to_numpy().tobytes() == right.get_column(name).to_numpy().tobytes()
        for name in NAMES
    )


def test_rows_and_columns_are_those_asked_for(tmp_path: Path) -> None:
    bars = make_bars()
    features = compute(bars, tmp_path)
    assert features.columns == ["session", "symbol", *NAMES]
    assert features.select("session", "symbol").equals(bars.select("session", "symbol"))
    assert set(features.select(NAMES).dtypes) == {pl.Float32}
    metadata = pq.read_schema(tmp_path / "out.parquet").metadata
    assert metadata[b"feature_set"].decode() == ALPHA158.version


@pytest.mark.parametrize("order", [BY_SESSION, BY_SYMBOL], ids=["by session", "by symbol"])
def test_every_instrument_equals_the_oracle(tmp_path: Path, order: tuple[str, str]) -> None:
    bars = make_bars()
    features = compute(bars.sort(order), tmp_path)
    for symbol in bars.get_column("symbol").unique():
        alone = bars.filter(pl.col("symbol") == symbol).sort("session")
        expected = alpha158_oracle({name: alone.get_column(name).to_numpy() for name in FIELDS})
        found = features.filter(pl.col("symbol") == symbol).sort("session")
        for name in NAMES:
            np.testing.assert_allclose(
                found.get_column(name).to_numpy(),
                expected[name],
                rtol=1e-6,
                atol=1e-7,
                err_msg=name,
            )


@pytest.mark.parametrize("chunk_rows", [40, 333])
@pytest.mark.parametrize("order", [BY_SESSION, BY_SYMBOL], ids=["by session", "by symbol"])
def test_chunks_threads_and_order_change_no_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: tuple[str, str], chunk_rows: int
) -> None:
    bars = make_bars()
    whole = compute(bars, tmp_path, threads=1)
    monkeypatch.setattr(feature_file, "CHUNK_VALUES", chunk_rows * 2 * len(NAMES))
    monkeypatch.setattr("tradegraph_dagster.adapters.parquet.bar_file.BATCH_ROWS", 97)
    parts = compute(bars.sort(order), tmp_path, threads=3)
    assert same_bits(parts.sort(BY_SESSION), whole)


def test_a_session_left_out_is_a_suspended_one(tmp_path: Path) -> None:
    bars = make_bars(2)
    gap = (pl.col("symbol") == "600000.SH") & pl.col("session").is_between(
        date(2020, 4, 1), date(2020, 4, 3)
    )
    blank = bars.with_columns(
        pl.when(gap).then(None).otherwise(pl.col(name)).alias(name) for name in FIELDS
    )
    kept = compute(blank, tmp_path).filter(~gap)
    assert same_bits(compute(bars.filter(~gap), tmp_path), kept)
    done = bar_file_to_features(
        tmp_path / "in.parquet", tmp_path / "out.parquet", ALPHA158, threads=1
    )
    assert done == FeatureFile(bars.height - 3, 2, ROWS, 3, (), 0)


def test_a_column_without_any_value_makes_only_its_own_features_missing(tmp_path: Path) -> None:
    bars = make_bars(2)
    whole = compute(bars, tmp_path)
    without = compute(bars.with_columns(vwap=pl.lit(None, pl.Float64)), tmp_path)
    assert without.get_column("vwap0").is_nan().all()
    assert same_bits(without.with_columns(whole.get_column("vwap0")), whole)


def test_a_set_that_compares_reads_industries_and_wants_rows_by_session(tmp_path: Path) -> None:
    across = load_feature_set("cross_section:alpha158")
    bars = make_bars().with_columns(
        industry=pl.when(pl.col("symbol") < "600003.SH").then(pl.lit("banks")).otherwise(None)
    )
    paths = tmp_path / "in.parquet", tmp_path / "out.parquet"
    bars.write_parquet(paths[0])
    bar_file_to_features(*paths, across, threads=2)
    found = pl.read_parquet(paths[1])
    assert found.columns == ["session", "symbol", *across.definitions]
    is_traded = bars.get_column("close").is_not_nan()
    assert found.filter(~is_traded).get_column("rank5_rank").is_nan().all()
    by_group = found.filter(is_traded).with_columns(
        bars.filter(is_traded).select(pl.col("industry").fill_null("none"))
    )
    means = by_group.group_by("session", "industry").agg(pl.col("open0_rank").mean(), pl.len())
    assert means.filter(pl.col("len") > 1).get_column("open0_rank").abs().max() < 1e-7
    assert means.filter(pl.col("len") == 1).get_column("open0_rank").is_nan().all()
    bars.sort(BY_SYMBOL).write_parquet(paths[0])
    with pytest.raises(SchemaError, match="expected rows sorted by"):
        bar_file_to_features(*paths, across, threads=2)


def test_one_row_and_no_row(tmp_path: Path) -> None:
    bars = make_bars(1)
    assert compute(bars.head(1), tmp_path).height == 1
    assert compute(bars.head(0), tmp_path).height == 0


def replaced(name: str, row: int, value: float) -> Callable[[pl.DataFrame], pl.DataFrame]:
    def change(bars: pl.DataFrame) -> pl.DataFrame:
        at = pl.int_range(pl.len()) == row
        return bars.with_columns(pl.when(at).then(value).otherwise(pl.col(name)).alias(name))

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda bars: bars.drop("vwap", "low"), "found no low, vwap"),
        (lambda bars: bars.cast({"close": pl.Float32}), "close is float, expected double"),
        (lambda bars: bars.cast({"session": pl.String}), "session is .*string, expected date32"),
        (lambda bars: bars.cast({"volume": pl.Int64}), "volume is int64"),
        (lambda bars: bars.reverse(), "expected rows sorted by"),
        (lambda bars: pl.concat([bars[:9], bars[8:]]), "repeats the row before"),
        (replaced("high", 300, float("inf")), "positive price or NaN in high, found inf"),
        (replaced("close", 300, -0.5), "adjust by a factor"),
        (replaced("volume", 300, -1.0), "volume of 0 or more"),
        (lambda bars: bars.with_columns(symbol=pl.lit(None, pl.String)), "found a null"),
        (lambda bars: bars.with_columns(session=pl.lit(None, pl.Date)), "found a null"),
    ],
)
def test_bad_bars_are_refused_and_leave_nothing_behind(
    tmp_path: Path, change: Callable[[pl.DataFrame], pl.DataFrame], message: str
) -> None:
    clean = make_bars().fill_nan(1.0)
    with pytest.raises(SchemaError, match=message) as refusal:
        compute(change(clean), tmp_path)
    assert str(tmp_path / "in.parquet") in str(refusal.value)
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]


def split_fields(row: int, factor: float) -> dict[str, np.ndarray]:
    fields = golden_fields()
    for name in (*FIELDS[:4], "vwap"):
        fields[name][row:] /= factor
    return fields


def write_golden(path: Path, fields: dict[str, np.ndarray]) -> None:
    days = pl.date_range(date(2020, 1, 1), date(2020, 3, 20), eager=True)
    pl.DataFrame({"session": days, "symbol": ["600000.SH"] * 80} | fields).write_parquet(path)


# Not the flat stretch, and not the row after it: there the price has not moved the session before.
@pytest.mark.parametrize("row", [*range(1, 24), *range(25, 41), *range(49, 80)])
def test_prices_with_a_split_are_refused(tmp_path: Path, row: int) -> None:
    for factor in (1.5, 2, 2.5, 10, 1 / 2):
        write_golden(tmp_path / "in.parquet", split_fields(row, factor))
        with pytest.raises(SchemaError, match="expected adjusted prices"):
            bar_file_to_features(
                tmp_path / "in.parquet", tmp_path / "out.parquet", ALPHA158, threads=1
            )


def test_prices_said_to_be_adjusted_are_taken(tmp_path: Path) -> None:
    write_golden(tmp_path / "in.parquet", split_fields(60, 2))
    options = ["--bars", str(tmp_path / "in.parquet"), "--out", str(tmp_path / "out.parquet")]
    refused = CliRunner().invoke(app, ["features", "compute", *options])
    assert refused.exit_code == 1
    assert not (tmp_path / "out.parquet").exists()
    taken = CliRunner().invoke(app, ["features", "compute", "--adjusted", "--json", *options])
    assert taken.exit_code == 0, taken.output
    assert '"rows": 80' in taken.output
    assert pl.read_parquet(tmp_path / "out.parquet").height == 80


@pytest.mark.parametrize("seed", range(25))
def test_generated_instruments_are_not_taken_for_unadjusted_ones(tmp_path: Path, seed: int) -> None:
    fields = random_fields(seed, rows=80)
    write_golden(tmp_path / "in.parquet", fields)
    done = bar_file_to_features(tmp_path / "in.parquet", tmp_path / "out", ALPHA158, threads=1)
    assert (done.rows, done.jumps) == (80, 0)


@pytest.mark.parametrize(
    "encode",
    [
        lambda bars: bars.with_columns(pl.col("symbol").cast(pl.Categorical)),
        lambda bars: bars.with_columns(pl.col("session").cast(pl.Datetime("us"))),
        lambda bars: bars.with_columns(pl.col("session").cast(pl.Datetime("ns"))),
        lambda bars: bars.with_columns(industry=pl.lit(3), note=pl.lit("x")),
        lambda bars: bars.select(reversed(bars.columns)),
        lambda bars: bars.fill_nan(None),
    ],
    ids=["categories", "microseconds", "nanoseconds", "other columns", "order", "nulls"],
)
def test_what_says_the_same_gives_the_same_bits(
    tmp_path: Path, encode: Callable[[pl.DataFrame], pl.DataFrame]
) -> None:
    bars = make_bars(3)
    whole = compute(bars, tmp_path)
    assert same_bits(compute(encode(bars), tmp_path), whole)


def test_a_column_of_nulls_may_have_no_type(tmp_path: Path) -> None:
    bars = make_bars(1).with_columns(vwap=pl.lit(None, pl.Null))
    assert compute(bars, tmp_path).get_column("vwap0").is_nan().all()


def test_an_instant_that_is_not_midnight_is_no_session(tmp_path: Path) -> None:
    bars = make_bars(1).with_columns(
        pl.col("session").cast(pl.Datetime("us")) + pl.duration(hours=9)
    )
    with pytest.raises(SchemaError, match="not midnight"):
        compute(bars, tmp_path)


def test_a_date_that_only_one_symbol_has_is_pointed_out(tmp_path: Path) -> None:
    bars = make_bars(6)
    odd = date(2020, 5, 2)
    bars = bars.filter((pl.col("session") != odd) | (pl.col("symbol") == "600000.SH"))
    bars.write_parquet(tmp_path / "in.parquet")
    done = bar_file_to_features(
        tmp_path / "in.parquet", tmp_path / "out.parquet", ALPHA158, threads=1
    )
    assert (done.left_out, done.sparse) == (5, (odd,))
    options = ["--bars", str(tmp_path / "in.parquet"), "--out", str(tmp_path / "out.parquet")]
    shown = CliRunner().invoke(app, ["features", "compute", *options])
    assert "no row on 2020-05-02" in shown.stderr


def test_the_bars_themselves_are_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    make_bars(1).write_parquet(path)
    before = path.read_bytes()
    with pytest.raises(SchemaError, match="another file than that of the bars"):
        bar_file_to_features(path, tmp_path / "." / "in.parquet", ALPHA158, threads=1)
    assert path.read_bytes() == before


@pytest.mark.parametrize("at", [0.1, 0.5])
def test_a_damaged_file_is_named(tmp_path: Path, at: float) -> None:
    path = tmp_path / "in.parquet"
    make_bars(4).write_parquet(path, compression="zstd", row_group_size=100)
    content = bytearray(path.read_bytes())
    begin = int(len(content) * at)
    content[begin : begin + 400] = b"\xff" * 400
    path.write_bytes(content)
    with pytest.raises(SchemaError, match=r"in\.parquet"):
        bar_file_to_features(path, tmp_path / "out.parquet", ALPHA158, threads=1)
    assert [one.name for one in tmp_path.iterdir()] == ["in.parquet"]


def test_two_that_write_one_file_leave_one_whole_file(tmp_path: Path) -> None:
    paths = [tmp_path / f"in{count}.parquet" for count in (2, 6)]
    for path, count in zip(paths, (2, 6), strict=True):
        make_bars(count).write_parquet(path)
    out = tmp_path / "out.parquet"
    with ThreadPoolExecutor(2) as pool:
        made = [pool.submit(bar_file_to_features, path, out, ALPHA158, threads=1) for path in paths]
        rows = {one.result().rows for one in made}
    assert pl.read_parquet(out).height in rows
    assert sorted(one.name for one in tmp_path.iterdir()) == [
        "in2.parquet",
        "in6.parquet",
        "out.parquet",
    ]


@pytest.mark.parametrize("name", ["technical", "alpha158_fixed"])
def test_order_and_chunks_change_no_bit_of_other_sets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    chosen = load_feature_set(name)
    days = pl.date_range(date(2018, 1, 1), date(2020, 12, 31), eager=True)
    parts = [
        pl.DataFrame({"session": days} | random_fields(seed, rows=len(days))).with_columns(
            symbol=pl.lit(f"60000{seed}.SH")
        )
        for seed in (2, 3, 4)
    ]
    bars = pl.concat(parts).sort(BY_SESSION)
    found = []
    for order in (BY_SESSION, BY_SYMBOL):
        bars.sort(order).write_parquet(tmp_path / "in.parquet")
        monkeypatch.setattr(feature_file, "LOOKBACKS_A_CHUNK", 0)
        bar_file_to_features(
            tmp_path / "in.parquet", tmp_path / "out.parquet", chosen, threads=2, is_adjusted=True
        )
        found.append(pl.read_parquet(tmp_path / "out.parquet").sort(BY_SESSION))
    for feature in chosen.definitions:
        one, other = (frame.get_column(feature).to_numpy() for frame in found)
        assert one.tobytes() == other.tobytes(), feature


def test_not_a_parquet_file(tmp_path: Path) -> None:
    (tmp_path / "in.parquet").write_text("session,symbol\n")
    with pytest.raises(SchemaError, match="expected a Parquet file of bars"):
        bar_file_to_features(tmp_path / "in.parquet", tmp_path / "out", ALPHA158, threads=1)


def test_bars_that_are_not_there_are_named_and_an_older_result_stays(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("older")
    with pytest.raises(SchemaError, match=r"absent\.parquet"):
        bar_file_to_features(tmp_path / "absent.parquet", tmp_path / "out", ALPHA158, threads=1)
    assert (tmp_path / "out").read_text() == "older"


def test_out_that_cannot_be_written_leaves_no_temporary_file(tmp_path: Path) -> None:
    make_bars(1).write_parquet(tmp_path / "in.parquet")
    (tmp_path / "out").mkdir()
    with pytest.raises(StoreUnavailable, match="nothing was changed"):
        bar_file_to_features(tmp_path / "in.parquet", tmp_path / "out", ALPHA158, threads=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.parquet", "out"]
