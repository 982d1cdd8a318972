"""Trading days of the US exchanges as Alpaca knows them."""

from __future__ import annotations

from datetime import date

from tradegraph_dagster.adapters.alpaca.options import AlpacaOptions
from tradegraph_dagster.adapters.alpaca.transport import NAME, AlpacaGateway
from tradegraph_dagster.domain.core.errors import SchemaError, SourceSuspect
from tradegraph_dagster.domain.markets.schema import Market


class AlpacaCalendar:
    """A CalendarSource over /v2/calendar, whose dates are those of New York.

    Args:
        market: Not needed: there is one calendar.
        options: Keys and account.
        gateway: Whom to ask; made from the options when None.
    """

    name = NAME

    def __init__(
        self, market: Market, options: AlpacaOptions, gateway: AlpacaGateway | None = None
    ) -> None:
        self._gateway = gateway or AlpacaGateway(options)

    def trading_days(self, first: date, last: date) -> tuple[date, ...]:
        """Trading days from `first` to `last`, both included.

        Raises:
            SourceUnavailable: Alpaca cannot be reached.
            SourceRefused: The keys are not accepted.
            SourceSuspect: No day at all, or days that were not asked for, twice or out of order.
            SchemaError: A day without a date.
        """
        page = self._gateway.calendar({"start": first.isoformat(), "end": last.isoformat()})
        days = tuple(_read_day(one.get("date")) for one in page.body)
        if list(days) != sorted(set(days)) or days[0] < first or days[-1] > last:
            raise SourceSuspect(
                f"source {NAME}: expected ascending days from {first} to {last}, found {len(days)} "
                f"from {days[0]} to {days[-1]}; ask again later"
            )
        return days


def _read_day(text: object) -> date:
    try:
        return date.fromisoformat(str(text))
    except ValueError as error:
        raise SchemaError(
            f"source {NAME}: /calendar: expected a date such as 2026-11-20, found {text!r}"
        ) from error


SOURCE = AlpacaCalendar
