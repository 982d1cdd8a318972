"""Column types that keep every digit of money and the time zone of instants."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import DateTime, Dialect, Numeric, String
from sqlalchemy.types import TypeDecorator, TypeEngine

from tradegraph_dagster.domain.audit.chain import utc_stamp
from tradegraph_dagster.domain.core.errors import InvariantBroken


class Money(TypeDecorator[Decimal]):
    """Decimal: NUMERIC where the database has it, text in SQLite, which would make it a float."""

    impl = Numeric
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Text in SQLite, NUMERIC without a scale elsewhere."""
        return dialect.type_descriptor(String() if dialect.name == "sqlite" else Numeric())

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        """Refuse what is no finite Decimal."""
        if value is None:
            return None
        if not isinstance(value, Decimal) or not value.is_finite():
            raise InvariantBroken(f"expected a finite Decimal as money, found {value!r}")
        return format(value, "f") if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        """Decimal again."""
        return None if value is None else Decimal(value)


class Instant(TypeDecorator[datetime]):
    """An instant in UTC; text in SQLite, which has no time zones."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Text in SQLite, TIMESTAMP WITH TIME ZONE elsewhere."""
        native = String() if dialect.name == "sqlite" else DateTime(timezone=True)
        return dialect.type_descriptor(native)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Refuse an instant without its time zone."""
        if value is None:
            return None
        stamp = utc_stamp(value)
        return stamp if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """In UTC."""
        if value is None:
            return None
        parsed = datetime.fromisoformat(value) if isinstance(value, str) else value
        return parsed.astimezone(UTC)
