"""The mapping file: which columns of which files mean what, and in which units."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tradegraph_dagster.domain.core.errors import ConfigError

NUMBERS = ("open", "high", "low", "close", "volume", "amount")
# What only an audit of the vendor's history reads.
AUDITED_NUMBERS = ("adjusted_close", "capital_gains")
EVENT_NUMBERS = ("cash_per_share", "bonus_ratio", "rights_ratio", "rights_price", "split_ratio")
TURNOVER = ("volume", "amount")
FROM_PRICES = "from_prices"
SymbolStyle = Literal["suffixed", "prefixed", "bare", "ticker"]


class TableMapping(BaseModel):
    """One table in files.

    Attributes:
        files: Glob in the folder.
        layout: `one_file` for the whole table; `file_per_symbol`, where the file's name is the
            symbol unless a column is mapped; `file_per_session`, any number of files by date.
        columns: Our column -> theirs; for an amount or a ratio a list of theirs, which are added.
        date_format: Of dates kept as text or as whole numbers, such as "%Y%m%d".
        multipliers: Our number column -> what to multiply theirs by, such as 100 for lots.
        defaults: Our column -> the value of all rows where they have no such column.
        only_when: Their column -> the value, as text, of the rows that count; the others are left
            out unread.
        true_when: Our flag column -> the value of theirs, as text, that means yes.
        symbol_style: How this table spells symbols, where it does so in another way than the rest.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    files: str
    layout: Literal["one_file", "file_per_symbol", "file_per_session"]
    columns: dict[str, str | list[str]]
    date_format: str | None = None
    multipliers: dict[str, float] = {}
    defaults: dict[str, bool | float | str] = {}
    only_when: dict[str, str] = {}
    true_when: dict[str, str] = {}
    symbol_style: SymbolStyle | None = None

    def require(self, needed: set[str], known: set[str]) -> None:
        """Refuse columns nobody reads, and a table that lacks one everybody needs.

        Raises:
            ValueError: Names the columns.
        """
        given = set(self.columns) | set(self.defaults)
        for part in (self.columns, self.defaults, self.multipliers, self.true_when):
            if strange := sorted(set(part) - known):
                raise ValueError(f"unknown columns {strange}; known: {sorted(known)}")
        sums = {name for name, theirs in self.columns.items() if isinstance(theirs, list)}
        if wrong := sorted(sums - set(EVENT_NUMBERS)):
            raise ValueError(f"columns {wrong} cannot be added up from several; name one column")
        if absent := sorted(needed - given):
            raise ValueError(f"columns or defaults must give {absent}")
        if "symbol" not in given and self.layout != "file_per_symbol":
            raise ValueError(f"layout {self.layout} needs a column for symbol")


class BarsMapping(TableMapping):
    """Bars.

    Attributes:
        missing_rows: What it means that a listed symbol has rows before a session but none on it:
            `suspended` for vendors that leave suspended days out, `absent` for the others, where it
            has no bar and too many of them block the session.
        max_vanished_frac: Where missing rows mean suspended, the fraction of the symbols of the
            session before that may all at once have none; more is an incomplete delivery.
    """

    missing_rows: Literal["absent", "suspended"] = "absent"
    max_vanished_frac: float = Field(default=0.1, ge=0.0, le=1.0)

    @model_validator(mode="after")
    def _check(self) -> BarsMapping:
        self.require(
            {"session", *NUMBERS},
            {"session", "symbol", *NUMBERS, *AUDITED_NUMBERS, "is_suspended", "is_st", "name"}
            | {"industry", "known_at"},
        )
        wrong = {
            name: value
            for name, value in self.defaults.items()
            if name in NUMBERS and (name not in TURNOVER or value != FROM_PRICES)
        }
        if wrong:
            raise ValueError(
                f"defaults: found {wrong}, allowed: {FROM_PRICES} for one of {', '.join(TURNOVER)}"
            )
        if not set(TURNOVER) & set(self.columns):
            raise ValueError(f"columns must give one of {', '.join(TURNOVER)}")
        return self


class ListingsMapping(TableMapping):
    """Names and listing dates, one row a symbol.

    `session` is the first trading date and `delisted_on` the first day on which the symbol is no
    longer listed, empty while it is.
    """

    @model_validator(mode="after")
    def _check(self) -> ListingsMapping:
        self.require({"session"}, {"session", "symbol", "name", "delisted_on"})
        return self


class ActionsMapping(TableMapping):
    """Corporate actions; `session` is the ex-date, and rows without one are not yet decided."""

    @model_validator(mode="after")
    def _check(self) -> ActionsMapping:
        self.require({"session"}, {"session", "symbol", "known_at", *EVENT_NUMBERS})
        return self


class Mapping(BaseModel):
    """A mapping file.

    Attributes:
        source: What the rows name as their source.
        symbol_style: `suffixed` 600000.SH, `prefixed` sh.600000 or sh600000, `bare` 600000 (the
            market's table of boards gives the exchange), `ticker` AAPL.
        bars: Where bars are.
        listings: Where listing and delisting dates are; without it a symbol is listed from its
            first row, and for good.
        actions: Where events are; without it there are none, and asking for them is refused.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    source: str
    symbol_style: SymbolStyle
    bars: BarsMapping
    listings: ListingsMapping | None = None
    actions: ActionsMapping | None = None


def read_mapping(path: Path) -> Mapping:
    """Read and check a mapping file.

    Raises:
        ConfigError: Names the file, the key, what was found and what is allowed.
    """
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"mapping {path} cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"mapping {path} is no YAML: {error}") from error
    try:
        return Mapping.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}, found {one['input']!r}"
            for one in error.errors()
        )
        raise ConfigError(f"mapping {path}: {problems}") from error
