"""What an audit of causality finds: a value that moved although nothing it may read has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import numpy as np
import polars as pl

from tradegraph_dagster.domain.core.frames import SESSION_SYMBOL


class Check(StrEnum):
    """What was done to the input; row t must be the same, bit for bit unless declared otherwise."""

    TRUNCATION = "truncation"
    """Everything after t was cut off."""
    PERTURBATION = "perturbation"
    """Everything after t was changed."""
    WARM_UP = "warm_up"
    """Everything before the declared lookback was cut off."""
    SYMBOL_ORDER = "symbol_order"
    """The instruments changed places."""
    OTHER_SYMBOLS = "other_symbols"
    """Other instruments were left out."""
    PRICE_SCALE = "price_scale"
    """All prices were multiplied by a power of two."""
    VOLUME_SCALE = "volume_scale"
    """All volumes were multiplied by a power of two."""
    SPLIT = "split"
    """Raw prices were split on a session, and adjusted back upstream."""
    SPAN = "span"
    """Everything but the sessions it is defined over was changed."""


@dataclass(frozen=True)
class CausalityFinding:
    """One column that fails one check, shown at the first value that does.

    Attributes:
        subject: Feature set, table or strategy that was audited.
        column: Feature or column.
        check: What was done to the input.
        change: The same in words, with the session it was done at.
        session: Session of the first value that moved.
        symbol: Its symbol.
        expected: The value before the change.
        found: The value after it.
        cells: Values that moved, over all changes of this check.
    """

    subject: str
    column: str
    check: Check
    change: str
    session: date
    symbol: str
    expected: str
    found: str
    cells: int

    def __str__(self) -> str:
        return (
            f"{self.subject} {self.column} fails {self.check}: {self.session} {self.symbol} was "
            f"{self.expected} and is {self.found} ({self.change}; {self.cells} values in all)"
        )


@dataclass(frozen=True)
class CausalityReport:
    """What an audit did and found.

    Attributes:
        subject: What was audited.
        compared: Check -> values compared.
        findings: One a column and check at most.
    """

    subject: str
    compared: Mapping[Check, int]
    findings: tuple[CausalityFinding, ...]

    @property
    def values(self) -> int:
        """Values compared, over all checks."""
        return sum(self.compared.values())

    @property
    def passed(self) -> bool:
        """Nothing moved, and there was something that could have."""
        return self.values > 0 and not self.findings


@dataclass(frozen=True)
class FrameCase:
    """A table computed from its own input and from a changed one: the rows that must agree.

    Attributes:
        check: What was done to the input.
        change: The same in words.
        expected: Rows before the change.
        found: Rows after it.
    """

    check: Check
    change: str
    expected: pl.DataFrame
    found: pl.DataFrame


def judge_frames(subject: str, cases: Sequence[FrameCase]) -> CausalityReport:
    """Compare each case's rows; a row that only one side has counts as moved in every column."""
    compared: dict[Check, int] = {}
    moved: dict[tuple[str, Check], CausalityFinding] = {}
    for case in cases:
        values = case.expected.height * (case.expected.width - len(SESSION_SYMBOL))
        compared[case.check] = compared.get(case.check, 0) + values
        for finding in _frame_findings(subject, case):
            keep_first(moved, finding)
    return CausalityReport(subject, compared, tuple(moved.values()))


def keep_first(moved: dict[tuple[str, Check], CausalityFinding], finding: CausalityFinding) -> None:
    """Add a finding, or its cells to the one that its column and check already have."""
    key = (finding.column, finding.check)
    known = moved.get(key)
    if known is None:
        moved[key] = finding
    else:
        moved[key] = CausalityFinding(**{**vars(known), "cells": known.cells + finding.cells})


def _frame_findings(subject: str, case: FrameCase) -> Iterator[CausalityFinding]:
    """The columns of one case that moved, each at the first row that did."""
    rows = (
        case.expected.select(SESSION_SYMBOL)
        .with_row_index("expected")
        .join(
            case.found.select(SESSION_SYMBOL).with_row_index("found"),
            on=SESSION_SYMBOL,
            how="full",
            coalesce=True,
        )
        .sort(SESSION_SYMBOL)
    )
    is_alone = rows["expected"].is_null() | rows["found"].is_null()
    for name in case.expected.columns[len(SESSION_SYMBOL) :]:
        sides = [
            frame.get_column(name).gather(rows[side])
            for frame, side in ((case.expected, "expected"), (case.found, "found"))
        ]
        moved = (is_alone | ~_same_bits(*sides)).arg_true()
        if moved.len():
            at = int(moved[0])
            session, symbol = rows.select(SESSION_SYMBOL).row(at)
            texts = {
                side: "no row" if rows[side][at] is None else repr(values[at])
                for side, values in zip(("expected", "found"), sides, strict=True)
            }
            yield CausalityFinding(
                subject=subject,
                column=name,
                check=case.check,
                change=case.change,
                session=session,
                symbol=symbol,
                cells=moved.len(),
                **texts,
            )


def _same_bits(one: pl.Series, other: pl.Series) -> pl.Series:
    """Row by row; of floats the bits, so that 0 and -0 differ."""
    if not one.dtype.is_float():
        return one.eq_missing(other)
    bits = np.uint32 if one.dtype == pl.Float32 else np.uint64
    equal = one.to_numpy().view(bits) == other.to_numpy().view(bits)
    return pl.Series(equal) & (one.is_null() == other.is_null())
