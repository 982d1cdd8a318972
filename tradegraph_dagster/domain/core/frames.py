"""Frame schemas: the columns, types, units and key of every table.

Frames are long Polars frames, sorted and unique on their key, usually `(session, symbol)`. A
missing number is null, except in feature frames, where it is NaN because that is what the learners
read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from types import MappingProxyType

import polars as pl

from tradegraph_dagster.domain.core.errors import OtherVersion, SchemaError

SESSION_SYMBOL = ("session", "symbol")
INSTANT = pl.Datetime("us", "UTC")


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its type, what it means, its unit, and whether null is allowed."""

    dtype: pl.DataType | type[pl.DataType]
    doc: str
    unit: str = ""
    nullable: bool = False


@dataclass(frozen=True)
class FrameSchema:
    """A table: `name` is also the asset's name, the stored table's and the docs page's.

    Attributes:
        name: Plural noun.
        doc: One sentence, shown in the generated reference.
        columns: In stored order.
        key: Columns that sort the frame and are unique together.
        version: What made the values, where that can change under the same columns. It is stored
            with each partition, and one stored under another version is not read.
    """

    name: str
    doc: str
    columns: Mapping[str, Column]
    key: tuple[str, ...] = field(default=SESSION_SYMBOL)
    version: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", MappingProxyType(dict(self.columns)))

    @cached_property
    def dtypes(self) -> dict[str, pl.DataType | type[pl.DataType]]:
        """Column name -> Polars type, in stored order."""
        return {name: column.dtype for name, column in self.columns.items()}

    @cached_property
    def required(self) -> tuple[str, ...]:
        """Columns that may hold no null."""
        return tuple(name for name, column in self.columns.items() if not column.nullable)

    def empty(self) -> pl.DataFrame:
        """A frame of this schema with no rows."""
        return self._empty

    @cached_property
    def _empty(self) -> pl.DataFrame:
        return pl.DataFrame(schema=self.dtypes)


def check_frame(frame: pl.DataFrame, schema: FrameSchema) -> pl.DataFrame:
    """Return `frame` unchanged if it fits `schema`.

    Raises:
        SchemaError: Other columns or types, a null where none is allowed, or not sorted and unique
            on the key. Nothing is reordered silently.
    """
    if dict(frame.schema) != schema.dtypes or frame.columns != list(schema.columns):
        raise SchemaError(_describe_mismatch(frame, schema), table=schema.name)
    counts = {name: frame.get_column(name).null_count() for name in schema.required}
    holes = {name: count for name, count in counts.items() if count}
    if holes:
        raise SchemaError(f"expected no nulls, found {holes}; fix the producer", table=schema.name)
    _check_key(frame, schema)
    return frame


def conform_frame(frame: pl.DataFrame, schema: FrameSchema) -> pl.DataFrame:
    """Select, cast and sort `frame` to `schema`, then check it.

    Raises:
        SchemaError: A column is missing, cannot be cast, holds forbidden nulls, or the key repeats.
    """
    missing = [name for name in schema.columns if name not in frame.columns]
    if missing:
        raise SchemaError(
            f"expected columns {list(schema.columns)}, missing {missing}", table=schema.name
        )
    try:
        cast = frame.select(pl.col(name).cast(dtype) for name, dtype in schema.dtypes.items())
    except pl.exceptions.PolarsError as error:
        raise SchemaError(f"cannot cast to the schema: {error}", table=schema.name) from error
    is_sorted = _is_ascending(cast, schema.key)
    return check_frame(cast if is_sorted else cast.sort(schema.key), schema)


def fill_absent(frame: pl.DataFrame, schema: FrameSchema) -> pl.DataFrame:
    """A stored frame with the nullable columns that its table has got since, as nulls.

    A frame that differs from `schema` in any other way is returned unchanged, for the check to
    refuse.
    """
    absent = [name for name in schema.columns if name not in frame.columns]
    is_older = frame.columns == [name for name in schema.columns if name not in absent]
    if not absent or not is_older or set(absent) & set(schema.required):
        return frame
    return frame.select(
        pl.lit(None, dtype).alias(name) if name in absent else name
        for name, dtype in schema.dtypes.items()
    )


def require_version(schema: FrameSchema, partition: date, found: str) -> None:
    """Refuse a partition that was stored under another version than the schema's.

    Raises:
        OtherVersion: It may have the columns and not the meaning.
    """
    if found != schema.version:
        raise OtherVersion(
            f"expected values of {schema.version}, found those of {found or 'no named version'}; "
            "make the partition again with `tradegraph backfill --remake`",
            table=schema.name,
            session=partition,
        )


def only_symbols(frame: pl.DataFrame, symbols: Sequence[str] | None) -> pl.DataFrame:
    """The rows of some symbols; None keeps all."""
    return frame if symbols is None else frame.filter(pl.col("symbol").is_in(list(symbols)))


def _describe_mismatch(frame: pl.DataFrame, schema: FrameSchema) -> str:
    found = dict(frame.schema)
    missing = [name for name in schema.columns if name not in found]
    extra = [name for name in found if name not in schema.columns]
    wrong = {
        name: f"expected {dtype}, found {found[name]}"
        for name, dtype in schema.dtypes.items()
        if name in found and found[name] != dtype
    }
    order = "" if missing or extra or wrong else "; columns are in another order"
    return f"missing columns {missing}, unexpected columns {extra}, wrong types {wrong}{order}"


def _check_key(frame: pl.DataFrame, schema: FrameSchema) -> None:
    if _is_ascending(frame, schema.key):
        return
    key = frame.select(schema.key)
    repeated = key.filter(key.is_duplicated())
    if repeated.height:
        raise SchemaError(
            f"expected unique {schema.key}, found {repeated.height} repeated rows, "
            f"the first {repeated.row(0)}",
            table=schema.name,
        )
    raise SchemaError(f"expected rows sorted by {schema.key}", table=schema.name)


def _is_ascending(frame: pl.DataFrame, names: Sequence[str]) -> bool:
    """Whether each row's key is above that of the row before, one pass over the frame."""
    above = pl.Series([False])
    for name in reversed(names):
        column = frame.get_column(name)
        now, before = column.slice(1), column.head(max(column.len() - 1, 0))
        above = (now > before) | ((now == before) & above)
    return above.all()
