"""Seed -> what goes wrong, where, and how."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from random import Random

from tradegraph_dagster.adapters.fake_alpaca.faults import FAULTS


class Window(IntEnum):
    """Where the first process ends."""

    BEFORE_INTENT = 1
    AFTER_INTENT = 2
    BEFORE_SEND = 3
    BEFORE_ANSWER = 4
    AFTER_ANSWER = 5
    BEFORE_FILLS = 6
    IN_RECONCILIATION = 7
    IN_CANCEL = 8


ORDERS = 4
CELLS = len(FAULTS) * len(Window)

# Which call of the broker a fault meets when the process ends in this window.
_TARGETS = {
    Window.BEFORE_INTENT: ("submit",),
    Window.AFTER_INTENT: ("submit",),
    Window.BEFORE_SEND: ("submit", "lookup"),
    Window.BEFORE_ANSWER: ("submit", "lookup"),
    Window.AFTER_ANSWER: ("submit", "lookup"),
    Window.BEFORE_FILLS: ("activities", "submit"),
    Window.IN_RECONCILIATION: ("account", "orders", "activities"),
    Window.IN_CANCEL: ("cancel", "lookup"),
}


@dataclass(frozen=True, slots=True)
class Case:
    """One run.

    Attributes:
        seed: Everything else follows from it.
        fault: Number in the catalogue of faults.
        window: Where the first process ends.
        target: Which kind of call the fault meets.
        nth_call: Which of these calls.
        nth_order: At which order the process ends, in a window of sending.
        is_late: Of two places in a window, the second.
        delay: When a process is killed from outside, in seconds after its start.
        clock_jump: In seconds, of the processes after the first.
        nth_commit: Which commit of the ledger fails.
        spare_pages: Pages that a ledger in a file may still grow by.
        spare_rows: Rows that a ledger in a server may still write.
    """

    seed: int
    fault: int
    window: Window
    target: str
    nth_call: int
    nth_order: int
    is_late: bool
    delay: float
    clock_jump: int
    nth_commit: int
    spare_pages: int
    spare_rows: int

    @property
    def is_brokers(self) -> bool:
        """Whether the fault is the broker's."""
        return FAULTS[self.fault].is_brokers

    @property
    def may_report(self) -> bool:
        """Whether the broker does what it must not do, so that a person has to be told."""
        return 11 <= self.fault <= 17


def seed_to_case(seed: int) -> Case:
    """Consecutive seeds go through every cell of the matrix; the details are drawn."""
    chance = Random(seed)
    window = Window(seed // len(FAULTS) % len(Window) + 1)
    target = chance.choice(_TARGETS[window])
    most = ORDERS if target == "submit" else 2
    return Case(
        seed=seed,
        fault=seed % len(FAULTS) + 1,
        window=window,
        target=target,
        nth_call=chance.randint(1, most),
        nth_order=chance.randint(1, ORDERS),
        is_late=chance.random() < 0.5,
        delay=chance.uniform(0.0, 0.25),
        clock_jump=chance.choice([-3600, 3600]),
        nth_commit=chance.randint(1, 24),
        spare_pages=chance.randint(0, 8),
        spare_rows=chance.randint(0, 40),
    )
