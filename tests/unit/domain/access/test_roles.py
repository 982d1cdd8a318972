"""The whole matrix of roles and acts."""

from __future__ import annotations

import pytest

from tradegraph_dagster.domain.access.roles import LOWEST_ROLE, Right, role_refusal
from tradegraph_dagster.domain.access.schema import Role

MAY = {
    Role.VIEWER: set(),
    Role.TRADER: {Right.RESET_KILL_SWITCH, Right.RELEASE_QUARANTINE, Right.ACKNOWLEDGE_BREAK},
    Role.ADMIN: set(Right),
}


@pytest.mark.parametrize("right", Right)
@pytest.mark.parametrize("role", Role)
def test_a_role_may_what_it_may(role: Role, right: Right) -> None:
    refusal = role_refusal(role, right)
    assert (refusal == "") is (right in MAY[role])
    if refusal:
        assert refusal == f"it takes the role {LOWEST_ROLE[right]} to {right}, found {role}"


def test_every_act_has_a_role() -> None:
    assert set(LOWEST_ROLE) == set(Right)
