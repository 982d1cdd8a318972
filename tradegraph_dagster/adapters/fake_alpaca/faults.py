"""The numbered catalogue of what goes wrong, for a matrix of faults and crashes.

Each fault of a broker is scripted for the next call of a kind (its target); the details that may
differ from run to run, such as which 5xx it is or whether the order was taken, come from the seed.
Faults of ours (database, process, clock, disk) are for whoever runs the matrix.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from tradegraph_dagster.adapters.fake_alpaca.control import AccountControl
from tradegraph_dagster.adapters.fake_alpaca.wire import SECOND, TOO_MANY
from tradegraph_dagster.domain.core.errors import ConfigError

# Target -> method and path of the call that is hit.
TARGETS: Mapping[str, tuple[str, str]] = {
    "submit": ("POST", "/v2/orders"),
    "lookup": ("GET", "/v2/orders:by_client_order_id"),
    "orders": ("GET", "/v2/orders"),
    "cancel": ("DELETE", "/v2/orders/*"),
    "activities": ("GET", "/v2/account/activities*"),
    "positions": ("GET", "/v2/positions*"),
    "account": ("GET", "/v2/account"),
}
HTML = "<html><body><h1>502 Bad Gateway</h1></body></html>"
ORPHAN_PREFIX = "tg1-orphan-"
Scripting = Callable[[AccountControl, Random, Mapping[str, Any]], Mapping[str, Any]]


@dataclass(frozen=True)
class Fault:
    """One entry; `scripting` is None where the harness has to do it itself."""

    number: int
    name: str
    scripting: Scripting | None = None

    @property
    def is_brokers(self) -> bool:
        """Whether the local Alpaca can do it."""
        return self.scripting is not None


def apply_fault(
    account: AccountControl, number: int, seed: int, *, target: str = "submit", nth: int = 1
) -> Mapping[str, Any]:
    """Script one fault, and say what was scripted.

    Args:
        account: Whom it meets.
        number: Of the catalogue.
        seed: Decides the details.
        target: Which call is hit, for the faults of a call (2 to 10); see `TARGETS`.
        nth: Which of the calls from now on.

    Raises:
        ConfigError: No such fault or target, or a fault that is not the broker's.
    """
    fault = FAULTS.get(number)
    if fault is None or fault.scripting is None or target not in TARGETS:
        brokers = [one.number for one in FAULTS.values() if one.is_brokers]
        raise ConfigError(
            f"fault {number} of {target!r}: allowed: {brokers} of {', '.join(TARGETS)}; the others "
            "are for the harness"
        )
    method, path = TARGETS[target]
    call = {"method": method, "path": path, "nth": nth}
    details = fault.scripting(account, Random(f"{number}:{seed}"), call)
    return {"number": number, "name": fault.name, "target": target, "nth": nth, **details}


def _rule(
    account: AccountControl, call: Mapping[str, Any], **fields: Any
) -> Mapping[str, Mapping[str, Any]]:
    rule = {**call, **fields}
    account.script(rule)
    return {"rule": rule}


def _refused(account: AccountControl, chance: Random, call: Mapping[str, Any]) -> Mapping[str, Any]:
    seconds = round(chance.uniform(0.05, 0.25), 3)
    account.close_door(seconds)
    return {"seconds": seconds}


def _timeout_before(
    account: AccountControl, chance: Random, call: Mapping[str, Any]
) -> Mapping[str, Any]:
    return _rule(account, call, hold_before=True)


def _timeout_after(
    account: AccountControl, chance: Random, call: Mapping[str, Any]
) -> Mapping[str, Any]:
    return _rule(account, call, hold_after=True)


def _reset(account: AccountControl, chance: Random, call: Mapping[str, Any]) -> Mapping[str, Any]:
    share = round(chance.uniform(0.0, 0.95), 3)
    return _rule(account, call, cut_body=share, reset=chance.random() < 0.5)


def _server_error(
    account: AccountControl, chance: Random, call: Mapping[str, Any]
) -> Mapping[str, Any]:
    body = chance.choice([HTML, '{"code":50010000,"message":"internal server error occurred"}', ""])
    status = chance.choice([500, 502, 503])
    return _rule(account, call, status=status, body=body, has_effect=chance.random() < 0.5)


def _gateway_timeout(
    account: AccountControl, chance: Random, call: Mapping[str, Any]
) -> Mapping[str, Any]:
    return _rule(account, call, status=504, body=HTML)


def _too_many(
    account: AccountControl, chance: Random, call: Mapping[str, Any]
) -> Mapping[str, Any]:
    reset = int(account.do("now")) // SECOND + chance.randint(1, 3)
    headers = {
        "X-RateLimit-Limit": "200",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": str(reset),
    }
    body = f'{{"code":{TOO_MANY},"message":"rate limit exceeded."}}'
    return _rule(account, call, status=429, body=body, headers=headers, has_effect=False)


def _unreadable(
    account: AccountControl, chance: Random, call: Mapping[str, Any]
) -> Mapping[str, Any]:
    kind = chance.choice(["html", "empty", "truncated", "other"])
    if kind == "truncated":
        return _rule(account, call, truncate=round(chance.uniform(0.05, 0.95), 3))
    body = {"html": HTML, "empty": "", "other": '"ok"'}[kind]
    return _rule(account, call, body=body)


def _odd_field(
    account: AccountControl, chance: Random, call: Mapping[str, Any]
) -> Mapping[str, Any]:
    edit = chance.choice(
        [
            {"status": "pending_galaxy"},
            {"status": None},
            {"submitted_at": None},
            {"id": None},
            {"filled_qty": None},
            {"qty": None},
        ]
    )
    return _rule(account, call, edit=edit)


def _redirect(
    account: AccountControl, chance: Random, call: Mapping[str, Any]
) -> Mapping[str, Any]:
    status = chance.choice([301, 302, 303, 307, 308])
    headers = {"Location": "http://127.0.0.1:9/elsewhere"}
    return _rule(account, call, status=status, body="", headers=headers, has_effect=False)


def _news(kind: str) -> Scripting:
    def scripting(
        account: AccountControl, chance: Random, call: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        nth, calls = chance.randint(1, 2), chance.randint(1, 3)
        activity = "late" if kind == "lost" else kind
        deliveries = [
            {"channel": "stream", "nth": nth, "kind": kind},
            {"channel": "activities", "event": "FILL", "kind": activity, "calls": calls},
        ]
        account.script(deliveries=deliveries)
        return {"deliveries": deliveries}

    return scripting


def _surprise(kind: str, most: int) -> Scripting:
    def scripting(
        account: AccountControl, chance: Random, call: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        surprise = {"kind": kind, "shares": chance.randint(1, most) if most else 0}
        account.script(surprises=[surprise])
        return {"surprise": surprise}

    return scripting


def _orphan(account: AccountControl, chance: Random, call: Mapping[str, Any]) -> Mapping[str, Any]:
    """An order that bears our name, or nobody's, and that the client never sent."""
    prefix = chance.choice([ORPHAN_PREFIX, ""])
    order = {
        "symbol": "AAPL",
        "qty": str(chance.randint(1, 9)),
        "side": "buy",
        "type": "limit",
        "time_in_force": "day",
        "limit_price": "1",
        "client_order_id": f"{prefix}{chance.getrandbits(48):012x}",
    }
    return {"orphan": account.do("place", **order)["body"]}


def _not_yet_found(
    account: AccountControl, chance: Random, call: Mapping[str, Any]
) -> Mapping[str, Any]:
    calls = chance.randint(1, 3)
    account.configure(hidden_calls=calls)
    return {"hidden_calls": calls}


def _no_positions(
    account: AccountControl, chance: Random, call: Mapping[str, Any]
) -> Mapping[str, Any]:
    method, path = TARGETS["positions"]
    asked = {"method": method, "path": path, "times": chance.randint(1, 3)}
    broken: Mapping[str, Any] = chance.choice([{"status": 500, "body": HTML}, {"drop": True}])
    return _rule(account, asked, **broken)


_ENTRIES = (
    Fault(1, "connection refused", _refused),
    Fault(2, "time-out before the effect", _timeout_before),
    Fault(3, "time-out after the effect", _timeout_after),
    Fault(4, "reset in the middle of the body", _reset),
    Fault(5, "500, 502 or 503", _server_error),
    Fault(6, "504, then a duplicate 422", _gateway_timeout),
    Fault(7, "429 with its reset", _too_many),
    Fault(8, "HTML, empty or truncated 200", _unreadable),
    Fault(9, "unknown status or a null field", _odd_field),
    Fault(10, "3xx", _redirect),
    Fault(11, "duplicate event", _news("duplicate")),
    Fault(12, "event out of order", _news("swap")),
    Fault(13, "late fill after a cancel", _surprise("late_fill", 3)),
    Fault(14, "overfill", _surprise("overfill", 3)),
    Fault(15, "trade bust", _surprise("bust", 0)),
    Fault(16, "missed fill", _news("lost")),
    Fault(17, "orphan order", _orphan),
    Fault(18, "404, then found", _not_yet_found),
    Fault(19, "position query fails", _no_positions),
    Fault(20, "database locked or lost at commit"),
    Fault(21, "kill -9"),
    Fault(22, "stopped past the lease"),
    Fault(23, "clock jumps by an hour"),
    Fault(24, "disk full on an audit append"),
)
FAULTS: Mapping[int, Fault] = {fault.number: fault for fault in _ENTRIES}
