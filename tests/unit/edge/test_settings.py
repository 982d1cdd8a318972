"""Settings are typed, frozen and refused with the file, the key and what is allowed."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from tradegraph_dagster.domain.core.errors import ConfigError
from tradegraph_dagster.domain.market_data.health import RoutingPolicy
from tradegraph_dagster.settings import ENVIRONMENTS, PROJECT_ROOT, load_settings

DEMO = yaml.safe_load((PROJECT_ROOT / "config" / "demo.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Write a changed demo file and load it."""

    def load(dotted: str, value: object):
        content = yaml.safe_load(yaml.safe_dump(DEMO))
        *path, last = dotted.split(".")
        section = content
        for part in path:
            section = (
                section[int(part)] if isinstance(section, list) else section.setdefault(part, {})
            )
        section[last] = value
        file = tmp_path / "changed.yaml"
        file.write_text(yaml.safe_dump(content), encoding="utf-8")
        monkeypatch.setenv("TRADEGRAPH_CONFIG", str(file))
        return load_settings("demo")

    return load


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_shipped_environment_loads(environment: str) -> None:
    settings = load_settings(environment)
    assert settings.environment == environment
    assert set(settings.markets) <= {"us", "cn"}


@pytest.mark.parametrize(
    ("dotted", "value", "expected"),
    [
        ("colour", 1, "colour: unknown key; allowed: environment, data_dir"),
        ("markets.cn.colour", 1, "markets.cn.colour: unknown key; allowed: history_first"),
        ("markets.cn.universe.colour", 1, "allowed: min_sessions_listed, min_mean_amount"),
        ("markets.cn.universe.include_st", "false", "include_st: Input should be a valid boolean"),
        ("schedules_running", "false", "schedules_running: Input should be a valid boolean"),
        ("markets.cn.universe.min_mean_amount", -1.0, "min_mean_amount: found -1.0, allowed: >= 0"),
        ("markets.cn.halt.max_drawdown_frac", -0.1, "max_drawdown_frac: found -0.1"),
        ("markets.cn.training.seed", "7", "seed: Input should be a valid integer"),
        ("markets.cn.history_first", "soon", "history_first: Input should be a valid date"),
        ("markets.cn.sources.0.kind", "telepathy", "kind: found 'telepathy', allowed:"),
        ("markets.cn.sources.0.options.names", "many", "names"),
        (
            "markets.cn.sources.0.options.colour",
            1,
            "markets.cn.sources.0: Value error, options.colour: unknown key; allowed: names, seed",
        ),
        (
            "markets.cn.sources.0.colour",
            1,
            "markets.cn.sources.0.colour: unknown key; allowed: kind, options",
        ),
        ("markets.cn.label_horizons", [5, 1], "label_horizons: found [5, 1], allowed: ascending"),
        ("markets.cn.label_horizons", [], "label_horizons: found [], allowed: ascending"),
        ("markets.cn.label_horizons", [0, 1], "horizon: found 0, allowed: >= 1"),
        (
            "markets.cn.training.split.horizon_sessions",
            3,
            "horizon_sessions: found 3, allowed: one of label_horizons [1, 5, 20]",
        ),
        ("markets.cn.sources", [], "markets.cn.sources: List should have at least 1 item"),
        ("markets.cn.routing.colour", 1, "unknown key; allowed: ewma_weight, recovery_hours"),
        ("markets.cn.routing.failures_to_open", 0, "failures_to_open: found 0, allowed: 1 to 100"),
        ("markets.cn.routing.cool_down_minutes", 1.5, "cool_down_minutes: Input should be a valid"),
        ("markets.cn.risk.max_position.max_position_frac", -0.05, "max_position_frac"),
        ("markets.cn.risk.max_luck", {}, "max_luck"),
        ("markets.cn.features", "alpha9000", "alpha9000"),
        ("markets.cn.features", "cross_section:alpha9000", ", cross_section:alpha158"),
        ("markets.cn.strategy.name", "hope", "hope"),
        ("markets.cn.training.kind.name", "oracle", "oracle"),
        ("markets.mars", {}, "mars"),
    ],
)
def test_a_bad_value_names_file_key_and_what_is_allowed(
    written, dotted: str, value: object, expected: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        written(dotted, value)
    message = str(caught.value)
    assert "changed.yaml" in message
    assert expected in message


@pytest.mark.parametrize("name", ["alpha158", "cross_section", "cross_section:alpha158"])
def test_features_may_be_a_set_or_a_comparison_of_one(written, name: str) -> None:
    assert written("markets.cn.features", name).markets["cn"].features == name


def test_variables_override_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEGRAPH_MARKETS__CN__TRAINING__SEED", "7")
    monkeypatch.setenv("TRADEGRAPH_DATA_DIR", "elsewhere")
    settings = load_settings("demo")
    assert settings.markets["cn"].training.seed == 7
    assert settings.lake_dir == PROJECT_ROOT / "elsewhere" / "lake"


def test_variables_reach_into_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEGRAPH_MARKETS__CN__SOURCES__0__OPTIONS__NAMES", "17")
    monkeypatch.setenv("TRADEGRAPH_MARKETS__CN__ROUTING__FAILURES_TO_OPEN", "2")
    market = load_settings("demo").markets["cn"]
    assert market.sources[0].parsed_options.names == 17
    assert market.routing.build() == RoutingPolicy(failures_to_open=2)


def test_a_variable_replaces_a_whole_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEGRAPH_MARKETS__CN__SOURCES__0", "{kind: sample}")
    assert load_settings("demo").markets["cn"].sources[0].kind == "sample"


@pytest.mark.parametrize("entry", ["1", "first", "-1"])
def test_a_variable_for_an_entry_that_is_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch, entry: str
) -> None:
    allowed = rf"found '{entry}' in a list, allowed: an entry from 0 to 0"
    for tail in ("", ".kind"):
        with pytest.raises(ConfigError, match=allowed):
            load_settings("demo", {f"markets.cn.sources.{entry}{tail}": "sample"})


def test_the_command_line_overrides_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEGRAPH_DATA_DIR", "elsewhere")
    assert load_settings("demo", {"data_dir": "here"}).data_dir == "here"


def test_an_unknown_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEGRAPH_MARKETS__CN__COLOUR", "red")
    with pytest.raises(ConfigError, match=r"markets\.cn\.colour: unknown key"):
        load_settings("demo")


def test_settings_are_frozen() -> None:
    settings = load_settings("demo")
    with pytest.raises(ValidationError):
        settings.data_dir = "other"


def test_a_file_of_another_environment_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "live.yaml"
    file.write_text(yaml.safe_dump(DEMO), encoding="utf-8")
    monkeypatch.setenv("TRADEGRAPH_CONFIG", str(file))
    with pytest.raises(ConfigError, match="found 'demo', allowed: 'live'"):
        load_settings("live")


def test_an_unknown_environment_is_refused() -> None:
    with pytest.raises(ConfigError, match="allowed: demo, paper, live"):
        load_settings("production")


def test_only_the_demo_makes_its_own_audit_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo = load_settings("demo", {"data_dir": str(tmp_path)})
    assert len(demo.audit_key()) == 32
    assert demo.audit_key() == demo.audit_key()
    assert (tmp_path / "audit.key").stat().st_mode & 0o077 == 0
    with pytest.raises(ConfigError, match="TRADEGRAPH_SECRET_AUDIT_KEY"):
        load_settings("paper", {"data_dir": str(tmp_path)}).audit_key()
    monkeypatch.setenv("TRADEGRAPH_SECRET_AUDIT_KEY", "00" * 32)
    assert load_settings("paper", {"data_dir": str(tmp_path)}).audit_key() == bytes(32)


def test_demo_history_spans_at_least_three_years() -> None:
    for market in load_settings("demo").markets.values():
        assert market.history_last is not None
        assert (market.history_last - market.history_first).days >= 3 * 365
        assert market.training.first_month > date(2000, 1, 1)
