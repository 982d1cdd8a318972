"""Reads the files of one mapped table into our names, types and units."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import polars as pl

from tradegraph_dagster.adapters.files.mapping import (
    AUDITED_NUMBERS,
    EVENT_NUMBERS,
    NUMBERS,
    TableMapping,
)
from tradegraph_dagster.domain.core.errors import ConfigError, SchemaError, SourceUnavailable
from tradegraph_dagster.domain.core.frames import INSTANT

DAYS = ("session", "delisted_on")
FLAGS = ("is_suspended", "is_st")
Stamp = tuple[tuple[str, int, int], ...]


def find_files(folder: Path, mapping: TableMapping) -> tuple[Path, ...]:
    """The files of a table, by name.

    Raises:
        ConfigError: The folder does not exist, or several files where one is expected.
        SourceUnavailable: No file matches: nothing has been delivered yet.
    """
    if not folder.is_dir():
        raise ConfigError(f"folder {folder} does not exist; correct the option `folder`")
    found = tuple(sorted(folder.glob(mapping.files)))
    if not found:
        raise SourceUnavailable(f"no file {mapping.files} in {folder}; deliver it or mend the glob")
    if mapping.layout == "one_file" and len(found) > 1:
        raise ConfigError(
            f"layout one_file: expected one file {mapping.files} in {folder}, "
            f"found {len(found)}, the first {found[0].name} and {found[1].name}"
        )
    return found


def stamp_files(paths: Sequence[Path]) -> Stamp:
    """What changes when a file is delivered or replaced: names, modification times and sizes."""
    facts = [(path, path.stat()) for path in paths]
    return tuple((str(path), fact.st_mtime_ns, fact.st_size) for path, fact in facts)


def read_table(paths: Sequence[Path], mapping: TableMapping, timezone: str) -> pl.DataFrame:
    """Rows of all files: mapped columns, defaults, `symbol` as written, and `known_at`.

    `known_at` is the mapped column, a day without a time counting from its end in the market's
    time zone, or else the file's modification time.

    Raises:
        SchemaError: Names file, column, what was expected and what was found.
    """
    frames = [_read_file(path, mapping, timezone) for path in paths]
    return pl.concat(frames, how="vertical").with_columns(
        pl.lit(value).alias(name)
        for name, value in mapping.defaults.items()
        if name not in mapping.columns
    )


def _read_file(path: Path, mapping: TableMapping, timezone: str) -> pl.DataFrame:
    raw = _open(path)
    _require_columns(path, raw, mapping)
    counted = raw
    for theirs, value in mapping.only_when.items():
        counted = counted.filter(pl.col(theirs).cast(pl.String) == value)
    read = counted.select(
        _read_column(path, counted, ours, theirs, mapping, timezone)
        for ours, theirs in mapping.columns.items()
    )
    if "symbol" not in mapping.columns:
        read = read.with_columns(symbol=pl.lit(path.stem))
    return read.with_columns(known_at=_known_at(path, read, timezone))


def _require_columns(path: Path, raw: pl.DataFrame, mapping: TableMapping) -> None:
    wanted = {**mapping.columns, **{f"only_when {name}": name for name in mapping.only_when}}
    present = set(raw.columns)
    absent = {ours: theirs for ours, theirs in wanted.items() if not set(_names(theirs)) <= present}
    if absent:
        raise SchemaError(f"file {path}: expected columns {absent}, found {raw.columns}")


def _names(column: str | list[str]) -> list[str]:
    return column if isinstance(column, list) else [column]


def _open(path: Path) -> pl.DataFrame:
    try:
        if path.suffix == ".parquet":
            return pl.read_parquet(path)
        if path.suffix in (".csv", ".gz"):
            # Everything as text: codes keep their zeros, and what is no number can be named.
            return pl.read_csv(path, infer_schema=False)
        if path.suffix == ".zip":
            return pl.read_csv(_unzip(path), infer_schema=False)
    except (OSError, BadZipFile, pl.exceptions.PolarsError) as error:
        raise SchemaError(f"file {path}: cannot be read: {error}") from error
    raise ConfigError(f"file {path}: expected .csv, .csv.gz, .zip or .parquet")


def _unzip(path: Path) -> bytes:
    with ZipFile(path) as archive:
        tables = [name for name in archive.namelist() if name.endswith(".csv")]
        if len(tables) != 1:
            raise SchemaError(f"file {path}: expected one .csv in it, found {len(tables)}")
        return archive.read(tables[0])


def _read_column(
    path: Path,
    raw: pl.DataFrame,
    ours: str,
    theirs: str | list[str],
    mapping: TableMapping,
    timezone: str,
) -> pl.Series:
    parts = [raw.get_column(name) for name in _names(theirs)]
    if ours in (*NUMBERS, *AUDITED_NUMBERS, *EVENT_NUMBERS):
        numbers = [_to_number(path, part) for part in parts]
        # One vendor column of several may be empty where it adds nothing.
        total = numbers[0] if len(numbers) == 1 else _sum(numbers)
        return (total * mapping.multipliers.get(ours, 1.0)).alias(ours)
    series = parts[0]
    if ours in (*DAYS, "known_at"):
        given = _to_time(path, series, mapping)
        days = _to_days(given, timezone)
        if days is None:
            days = _local(given, timezone).dt.date() if ours in DAYS else given
        return days.alias(ours)
    if ours in FLAGS:
        return _to_flag(series, mapping.true_when.get(ours)).alias(ours)
    return series.cast(pl.String).alias(ours)


def _sum(numbers: Sequence[pl.Series]) -> pl.Series:
    return pl.DataFrame({str(at): part for at, part in enumerate(numbers)}).sum_horizontal()


def _to_number(path: Path, series: pl.Series) -> pl.Series:
    text = series.str.strip_chars().replace("", None) if series.dtype == pl.String else series
    number = text.cast(pl.Float64, strict=False)
    _require_read(path, text, number, "a number")
    return number


def _to_flag(series: pl.Series, yes: str | None) -> pl.Series:
    """Whether each value means yes; by default 1 does, or true."""
    if series.dtype == pl.Boolean:
        return series.cast(pl.String) == (yes or "true")
    # A column of whole numbers with holes was stored as floats.
    text = series.cast(pl.String).str.strip_chars().str.strip_suffix(".0")
    return text == (yes or "1").removesuffix(".0")


def _to_days(times: pl.Series, timezone: str) -> pl.Series | None:
    """A column that holds days, as days; None where it holds times.

    Days may be kept as midnights of a zone of their own, or of the market's kept in another: a
    midnight of Shanghai in UTC is the afternoon of the day before.
    """
    if not isinstance(times.dtype, pl.Datetime):
        return times
    for given in (times, _local(times, timezone)):
        if (given.dt.time() == time()).all():
            return given.dt.date()
    return None


def _local(times: pl.Series, timezone: str) -> pl.Series:
    """Instants on the market's clock; what has no zone is on it already."""
    is_zoned = isinstance(times.dtype, pl.Datetime) and times.dtype.time_zone is not None
    return times.dt.convert_time_zone(timezone) if is_zoned else times


def _to_time(path: Path, series: pl.Series, mapping: TableMapping) -> pl.Series:
    if series.dtype.is_temporal():
        return series
    text = series.cast(pl.String).str.strip_chars().replace("", None)
    # A column of whole numbers with holes was stored as floats.
    text = text.str.strip_suffix(".0")
    day = text.str.to_date(mapping.date_format, strict=False)
    _require_read(path, text, day, f"a date {mapping.date_format or 'such as 2024-12-31'}")
    return day


def _require_read(path: Path, given: pl.Series, read: pl.Series, expected: str) -> None:
    lost = given.filter(given.is_not_null() & read.is_null())
    if len(lost):
        raise SchemaError(
            f"file {path}: column {given.name!r}: expected {expected}, "
            f"found {lost[0]!r} in {len(lost)} rows"
        )


def _known_at(path: Path, rows: pl.DataFrame, timezone: str) -> pl.Expr:
    modified = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    if "known_at" not in rows.columns:
        return pl.lit(modified, dtype=INSTANT)
    dtype = rows.schema["known_at"]
    column = pl.col("known_at")
    if dtype == pl.Date:
        column = column.dt.offset_by("1d").cast(pl.Datetime("us"))
    if not isinstance(dtype, pl.Datetime) or dtype.time_zone is None:
        column = column.dt.replace_time_zone(timezone, ambiguous="latest", non_existent="null")
    known = column.dt.convert_time_zone("UTC").dt.cast_time_unit("us")
    return known.fill_null(pl.lit(modified, dtype=INSTANT))
