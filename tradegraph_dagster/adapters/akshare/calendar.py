"""Trading days of the Shanghai exchange by Sina, to check the market's own calendar against.

Sina's list is packed; akshare unpacks it in a JavaScript engine of its own, which is handed the
body as a string and evaluates nothing of it.
"""

from __future__ import annotations

from datetime import date

from tradegraph_dagster.adapters.akshare.options import AkshareOptions
from tradegraph_dagster.adapters.akshare.transport import VendorCalls
from tradegraph_dagster.domain.core.errors import SourceRefused
from tradegraph_dagster.domain.markets.schema import Market

NAME = "sina"
FUNCTION = "tool_trade_date_hist_sina"
# The first session of the Shanghai exchange.
OPENED = date(1990, 12, 19)


class AkshareCalendar:
    """A CalendarSource over Sina's calendar, whichever vendor is asked for bars.

    The list ends with the year for which closures have been announced.
    """

    name = NAME

    def __init__(self, market: Market, options: AkshareOptions) -> None:
        self._calls = VendorCalls(NAME, options)

    def trading_days(self, first: date, last: date) -> tuple[date, ...]:
        """Days on which the exchange trades, both ends included.

        Raises:
            SourceRefused: The list does not reach to `last`.
            SchemaError: The list cannot be unpacked or holds a weekend.
            SourceSuspect: A page or nothing where the list was expected.
            SourceUnavailable: The vendor could not be reached.
        """
        table = self._calls.call(FUNCTION)
        # akshare adds the one day that the list lacked; if the list has it again, it is there once.
        days = sorted(set(table["trade_date"]))
        self._require_plausible(days)
        # The list begins with the exchange: earlier days are closed.
        if last > days[-1]:
            raise SourceRefused(
                f"source {NAME}: its calendar ends {days[-1]}; ask up to that day, or again when "
                "the closures of the next year are announced",
                session=last,
            )
        return tuple(day for day in days if first <= day <= last)

    def _require_plausible(self, days: list[date]) -> None:
        if days[0] < OPENED or any(day.weekday() >= 5 for day in days):
            odd = next((day for day in days if day.weekday() >= 5), days[0])
            raise self._calls.unreadable(
                FUNCTION, f"expected weekdays from {OPENED}, found {odd} among {len(days)} days"
            )


SOURCE = AkshareCalendar
