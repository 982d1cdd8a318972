"""Every risk gate: its limit from both sides, what it cannot know, and what it holds back."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.support.gate_cases import CASES
from tests.support.gate_scenes import SALE, SCENE, STRICT, Scene, ask, judge_all
from tradegraph_dagster.domain.core.errors import ConfigError
from tradegraph_dagster.domain.risk.gate_catalogue import (
    configured_gates,
    gate_names,
    limits_as_text,
    load_gate,
)
from tradegraph_dagster.domain.risk.limits import read_limits
from tradegraph_dagster.domain.risk.order_gate import GateOutcome
from tradegraph_dagster.domain.risk.policies import POLICIES

NAMES = gate_names()
# From the table of gates: orders that only reduce risk skip these numbers and no others.
SKIPPED = {*range(10, 15), *range(17, 20)}


def _scenes(kind: str) -> list[pytest.param]:
    return [
        pytest.param(name, scene, id=f"{name}-{number}")
        for name in NAMES
        for number, scene in enumerate(getattr(CASES[name], kind))
    ]


def test_every_gate_has_its_number_and_its_cases() -> None:
    assert [load_gate(name).number for name in NAMES] == list(range(1, 22))
    assert set(CASES) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_an_entry_describes_itself(name: str) -> None:
    gate = load_gate(name)
    assert gate.name == name
    assert gate.doc.endswith(".")
    numbers = {key for key, value in gate.defaults.items() if not isinstance(value, bool)}
    assert set(gate.hard_caps) == numbers
    assert CASES[name].at
    assert CASES[name].beyond


def test_the_plain_scene_passes_every_gate() -> None:
    judged = judge_all(SCENE)
    assert judged.denials == ()
    assert [result.outcome for result in judged.results] == [GateOutcome.PASS] * 21


@pytest.mark.parametrize(("name", "scene"), _scenes("at"))
def test_at_the_limit_an_order_passes(name: str, scene: Scene) -> None:
    result = ask(name, scene)
    assert (result.outcome, result.reason) in {
        (GateOutcome.PASS, ""),
        (GateOutcome.SKIPPED, "only reduces risk"),
    }
    assert result.outcome is GateOutcome.PASS or not load_gate(name).holds_reductions


@pytest.mark.parametrize(("name", "scene"), _scenes("beyond"))
def test_one_step_beyond_it_is_denied_with_a_reason(name: str, scene: Scene) -> None:
    result = ask(name, scene)
    assert result.outcome is GateOutcome.FAIL
    assert result.reason
    assert [denial.gate for denial in judge_all(scene).denials if denial.gate == name] == [name]


@pytest.mark.parametrize(("name", "scene"), _scenes("unknown"))
def test_what_is_not_known_denies(name: str, scene: Scene) -> None:
    result = ask(name, scene)
    assert result.outcome is GateOutcome.UNKNOWN
    assert result.reason.startswith("not known: ")
    assert name in {denial.gate for denial in judge_all(scene).denials}


@pytest.mark.parametrize("name", NAMES)
def test_reductions_skip_only_what_they_may(name: str) -> None:
    gate = load_gate(name)
    result = ask(name, SALE)
    if gate.number in SKIPPED:
        assert (result.outcome, result.inputs) == (GateOutcome.SKIPPED, {})
    else:
        assert result.outcome is GateOutcome.PASS
    assert gate.holds_reductions is (gate.number not in SKIPPED)


@pytest.mark.parametrize("name", [name for name in NAMES if load_gate(name).number in SKIPPED])
@pytest.mark.parametrize("shares", [301, 0, -100])
def test_a_sale_of_nothing_or_more_than_is_held_skips_nothing(name: str, shares: int) -> None:
    sale = SALE.but(order={"quantity_shares": shares})
    assert ask(name, sale).outcome is not GateOutcome.SKIPPED


@pytest.mark.parametrize("name", NAMES)
def test_a_gate_records_what_it_looked_at_and_its_limits(name: str) -> None:
    result = ask(name, SCENE)
    assert (result.number, result.gate) == (load_gate(name).number, name)
    assert result.inputs
    assert all(type(value) is str and value for value in result.inputs.values())
    for limit, value in STRICT[name].items():
        assert result.inputs[limit] == str(value)


@pytest.mark.parametrize("name", NAMES)
def test_a_gate_is_pure(name: str) -> None:
    for kind in ("at", "beyond", "unknown"):
        for scene in getattr(CASES[name], kind):
            kept = str((scene.order, scene.view.account, scene.view.environment))
            working, sent = scene.view.working, dict(scene.view.sent_in_session)
            assert ask(name, scene) == ask(name, scene)
            assert kept == str((scene.order, scene.view.account, scene.view.environment))
            assert (scene.view.working, scene.view.sent_in_session) == (working, sent)


@pytest.mark.parametrize("name", [name for name in NAMES if load_gate(name).hard_caps])
class TestLimits:
    def test_nothing_beyond_a_hard_cap_is_accepted(self, name: str) -> None:
        gate = load_gate(name)
        for limit, (lowest, highest) in gate.hard_caps.items():
            for value in (lowest, highest):
                read = dict(configured_gates("strict", {name: {limit: value}})[gate.number - 1][1])
                assert read[limit] == Decimal(str(value))
            for value in (lowest - 0.001, highest * 1.01, float("nan"), "1", None, True):
                with pytest.raises(ConfigError, match=rf"gates\.{name}\.{limit}: "):
                    configured_gates("large_account", {name: {limit: value}})

    def test_the_strict_default_lies_within_its_caps(self, name: str) -> None:
        gate = load_gate(name)
        assert read_limits(gate, {}, block="gates") == {
            limit: Decimal(str(value)) for limit, value in gate.defaults.items()
        }


class TestConfiguration:
    @pytest.mark.parametrize("policy", POLICIES)
    def test_no_policy_leaves_a_gate_out_and_each_names_its_reasons(self, policy: str) -> None:
        assert [gate.name for gate, _ in configured_gates(policy, {})] == list(NAMES)
        assert set(POLICIES[policy].reasons) == set(POLICIES[policy].limits)

    def test_a_file_changes_one_limit_of_a_policy_and_keeps_the_others(self) -> None:
        limits = limits_as_text(
            configured_gates("large_account", {"value_at_risk": {"confidence": 0.99}})
        )
        assert limits["value_at_risk"] == {
            "max_var_frac": "0.04",
            "confidence": "0.99",
            "min_observations": "60",
        }
        assert limits["buying_power"] == {"reserve_at_band": "False", "count_sale_proceeds": "True"}
        assert list(limits) == list(NAMES)

    def test_unknown_names_are_refused_with_those_there_are(self) -> None:
        with pytest.raises(ConfigError, match="no 'lax'; there are: strict, trading_graph, large"):
            configured_gates("lax", {})
        with pytest.raises(ConfigError, match="unknown gate 'fatfinger'; there are: live_lock, "):
            configured_gates("strict", {"fatfinger": {}})
        with pytest.raises(ConfigError, match="unknown limit 'max'; it has: max_age_seconds"):
            configured_gates("strict", {"quote_fresh": {"max": 1}})
        with pytest.raises(ConfigError, match="unknown limit 'max'; it has: none"):
            configured_gates("strict", {"kill_switch": {"max": 1}})
        with pytest.raises(ConfigError, match="expected true or false, found 'false'"):
            configured_gates("strict", {"buying_power": {"reserve_at_band": "false"}})

    def test_the_strict_limits_are_those_of_the_table(self) -> None:
        assert limits_as_text(configured_gates("strict", {})) == {
            **{name: {} for name in NAMES},
            "quote_fresh": {"max_age_seconds": "30"},
            "price_collar": {"max_deviation_frac": "0.05"},
            "fat_finger": {"max_shares": "1000", "max_notional": "100000", "max_adv_frac": "0.01"},
            "confidence": {"min_confidence": "0.6"},
            "duplicate_order": {"window_seconds": "60"},
            "position_limit": {"max_position_frac": "0.05"},
            "open_positions": {"max_strategies": "2"},
            "exposure_limits": {
                "max_gross": "100000",
                "max_long": "80000",
                "max_short": "20000",
                "max_sector_frac": "0.3",
            },
            "buying_power": {"reserve_at_band": "True", "count_sale_proceeds": "False"},
            "daily_loss": {"max_loss": "5000", "max_loss_frac": "0.02"},
            "drawdown": {"max_drawdown_frac": "0.1"},
            "value_at_risk": {
                "max_var_frac": "0.02",
                "confidence": "0.95",
                "min_observations": "60",
            },
            "order_rate": {
                "max_per_second": "10",
                "max_per_minute": "180",
                "max_per_session": "500",
                "max_per_symbol": "20",
            },
        }
