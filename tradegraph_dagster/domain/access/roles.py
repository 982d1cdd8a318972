"""Which act needs which role. Looking needs none, nor does stopping."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from tradegraph_dagster.domain.access.schema import Role


class Right(StrEnum):
    """An act that a person must prove themselves for."""

    RESET_KILL_SWITCH = "reset the kill switch"
    RELEASE_QUARANTINE = "release a quarantined bar"
    ACKNOWLEDGE_BREAK = "acknowledge a break"
    ARM_LIVE = "arm live trading"
    CHANGE_PEOPLE = "change people"
    CHANGE_CREDENTIALS = "change credentials"


LOWEST_ROLE: Mapping[Right, Role] = {
    Right.RESET_KILL_SWITCH: Role.TRADER,
    Right.RELEASE_QUARANTINE: Role.TRADER,
    Right.ACKNOWLEDGE_BREAK: Role.TRADER,
    Right.ARM_LIVE: Role.ADMIN,
    Right.CHANGE_PEOPLE: Role.ADMIN,
    Right.CHANGE_CREDENTIALS: Role.ADMIN,
}

_RANK = {role: rank for rank, role in enumerate(Role)}


def role_refusal(role: Role, right: Right) -> str:
    """Why a role may not do an act; empty where it may."""
    needed = LOWEST_ROLE[right]
    if _RANK[role] >= _RANK[needed]:
        return ""
    return f"it takes the role {needed} to {right}, found {role}"
