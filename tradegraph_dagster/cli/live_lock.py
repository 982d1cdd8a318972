"""`tradegraph live`: arm live trading for a while, end it, look at it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from tradegraph_dagster.cli.desks import chosen_desks, open_desks, spoken, stop_each, stopper
from tradegraph_dagster.cli.options import AnyMarketOption, JsonOption, MarketOption
from tradegraph_dagster.cli.output import console, domain_errors, print_columns, print_json
from tradegraph_dagster.cli.proof import CodeOption, PersonOption, open_access, prove
from tradegraph_dagster.domain.access.live_lock import LONGEST_HOURS, ArmRequest, arming
from tradegraph_dagster.domain.access.roles import Right

app = typer.Typer(no_args_is_help=True, help="The lock of live trading.")


@app.command("arm")
def arm_live(  # noqa: PLR0913 - one argument an option
    market: MarketOption,
    account: Annotated[str, typer.Option(help="Number of the only account orders may go to.")],
    host: Annotated[str, typer.Option(help="The only host, such as api.alpaca.markets.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    hours: Annotated[float, typer.Option(help="For how long; the session's close ends it.")] = (
        LONGEST_HOURS
    ),
    person: PersonOption = "",
    code: CodeOption = "",
) -> None:
    """Let live orders of one market go to one account, for a while. Asks the account nothing."""
    with domain_errors():
        desk, said = chosen_desks(market)[market], spoken(reason)
        request, close = ArmRequest(market, host.strip(), account, hours), _session_end(desk)
        proven = prove(open_access(desk.deployment), Right.ARM_LIVE, person, code)
        lease = arming(request, person=proven, close=close, now=desk.clock.now())
        desk.live_lock.arm(lease, reason=said)
        until = lease.expires_at.isoformat(timespec="seconds")
        console.print(f"{market}: armed for account {lease.account} at {lease.host} until {until}")
        # An arming alone opens nothing: what else keeps orders back is said here, not at the open.
        console.print(f"{market}: live orders {desk.live_door.row()['live orders']}")


@app.command("disarm")
def disarm_live(
    reason: Annotated[str, typer.Option(help="Why.")],
    market: AnyMarketOption = None,
    actor: Annotated[str, typer.Option(help="Who; the login name when absent.")] = "",
) -> None:
    """End it now; like stopping, it takes no code. Exit status 1 where it could not be ended."""
    with domain_errors():
        said, who = spoken(reason), stopper(actor)
        failed = stop_each(
            chosen_desks(market),
            lambda desk: desk.live_lock.disarm(actor=who, reason=said),
            "disarmed",
        )
    raise typer.Exit(1 if failed else 0)


@app.command("status")
def live_status(as_json: JsonOption = False) -> None:
    """Whether live orders could go out, and what keeps them; asks no venue.

    Exit status 1 while a market in mode live is shut.
    """
    with domain_errors():
        doors = {name: desk.live_door for name, desk in open_desks().items()}
        rows = {name: door.row() for name, door in doors.items()}
        is_shut = any(door.holds_back() for door in doors.values())
    if as_json:
        print_json(rows)
    else:
        print_columns("Live trading", rows)
    raise typer.Exit(1 if is_shut else 0)


def _session_end(desk: Any) -> datetime:
    """Close of the session that is open, or opens next: no arming lasts longer."""
    calendar, now = desk.market.calendar, desk.clock.now()
    newest = calendar.latest_closed(now)
    calendar.require_runway(newest)
    end: datetime = calendar.close_at(calendar.following(newest))
    return end
