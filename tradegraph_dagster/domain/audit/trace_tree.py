"""What a trace is made of: a tree of facts, each with how its hashes agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Agreement(StrEnum):
    """How what is found agrees with what was written down when it was used.

    - match: every hash that was written down is found again;
    - mismatch: one is not;
    - missing: the thing itself is not there;
    - unsealed: it is there, and nothing was written down to compare it with;
    - stated: a statement that has no hash of its own.
    """

    MATCH = "match"
    MISMATCH = "mismatch"
    MISSING = "missing"
    UNSEALED = "unsealed"
    STATED = "stated"


@dataclass(frozen=True)
class TraceNode:
    """One step of a trace and what it was made from.

    Attributes:
        kind: What it is, such as fill, order or raw_bars.
        name: Which one.
        agreement: How its hashes agree.
        facts: Name -> value as text.
        problems: What does not agree or is not there, in words.
        made_from: The steps before it.
    """

    kind: str
    name: str
    agreement: Agreement
    facts: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    made_from: tuple[TraceNode, ...] = ()

    def walk(self) -> Iterator[TraceNode]:
        """This step and all before it, in order of printing."""
        yield self
        for node in self.made_from:
            yield from node.walk()

    @property
    def is_sound(self) -> bool:
        """Nothing in the tree mismatches or is missing."""
        return not any(
            node.agreement in (Agreement.MISMATCH, Agreement.MISSING) for node in self.walk()
        )


def missing(kind: str, name: str, problem: str, **facts: str) -> TraceNode:
    """A step that is not there."""
    return TraceNode(kind, name, Agreement.MISSING, facts, (problem,))


def compared(kind: str, name: str, facts: Mapping[str, str], problems: list[str]) -> TraceNode:
    """A step whose facts were compared with others."""
    agreement = Agreement.MISMATCH if problems else Agreement.MATCH
    return TraceNode(kind, name, agreement, facts, tuple(problems))
