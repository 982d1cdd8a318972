"""Settings are typed, frozen and refused with the file, the key and what is allowed."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from tradegraph_dagster.domain.core.errors import ConfigError
from tradegraph_dagster.domain.market_data.health import RoutingPolicy
from tradegraph_dagster.domain.markets.catalogue import market_names
from tradegraph_dagster.domain.orders.schema import TradingMode
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
    assert set(settings.markets) <= set(market_names())


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
        ("markets.mars", {}, "markets: Value error, name: found 'mars', allowed: cn, us"),
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


ALPACA = {"kind": "alpaca", "options": {"opening_session": date(2026, 11, 20)}}
LIVE_ALPACA = {"kind": "alpaca", "options": {**ALPACA["options"], "account": "live"}}


@pytest.fixture
def written_live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Write the demo's us market as the environment live, changed, and load it."""

    def load(**changes: object):
        market = {**DEMO["markets"]["us"], "history_last": None, **changes}
        content = {**DEMO, "environment": "live", "markets": {"us": market}}
        file = tmp_path / "live.yaml"
        file.write_text(yaml.safe_dump(content), encoding="utf-8")
        monkeypatch.setenv("TRADEGRAPH_CONFIG", str(file))
        return load_settings("live").markets["us"]

    return load


class TestModes:
    def test_paper_is_the_mode_unless_said(self, written) -> None:
        market = {**DEMO["markets"]["us"], "history_last": None, "broker": ALPACA}
        assert written("markets.us", market).markets["us"].mode is TradingMode.PAPER
        dry = written("markets.us.mode", "dry_run").markets["us"]
        assert dry.submission_policy.mode is TradingMode.DRY_RUN

    def test_live_takes_no_mode_by_default(self, written_live) -> None:
        with pytest.raises(ConfigError, match=r"markets\.us\.mode: absent; live takes no mode"):
            written_live()
        assert written_live(mode="dry_run").mode is TradingMode.DRY_RUN

    def test_live_needs_a_live_account(self, written_live) -> None:
        for broker in (DEMO["markets"]["us"]["broker"], ALPACA):
            with pytest.raises(ConfigError, match="which has no live account"):
                written_live(mode="live", broker=broker)
        market = written_live(mode="live", broker=LIVE_ALPACA)
        assert (market.mode, market.broker.host) == (TradingMode.LIVE, "api.alpaca.markets")

    def test_paper_refuses_a_live_account(self, written, written_live) -> None:
        with pytest.raises(ConfigError, match="found paper with a live account"):
            written("markets.us.broker", LIVE_ALPACA)
        with pytest.raises(ConfigError, match="found paper with a live account"):
            written_live(mode="paper", broker=LIVE_ALPACA)

    @pytest.mark.parametrize("mode", ["live", "dry_run"])
    def test_a_closed_history_is_not_sent_to_a_live_account(self, written_live, mode: str) -> None:
        with pytest.raises(ConfigError, match=r"found 2024-03-29 with .*: leave it out"):
            written_live(mode=mode, broker=LIVE_ALPACA, history_last=date(2024, 3, 29))

    def test_a_closed_history_is_sent_to_no_account_but_to_a_server_here(self, written) -> None:
        with pytest.raises(ConfigError, match=r"with the host paper-api\.alpaca\.markets"):
            written("markets.us.broker", ALPACA)
        local = {**ALPACA["options"], "local_url": "http://127.0.0.1:8100"}
        market = written("markets.us.broker", {"kind": "alpaca", "options": local}).markets["us"]
        assert market.history_last is not None

    def test_live_is_for_the_environment_live_only(self, written, monkeypatch) -> None:
        monkeypatch.setenv("TRADEGRAPH_MARKETS__US__BROKER__KIND", "alpaca")
        monkeypatch.setenv(
            "TRADEGRAPH_MARKETS__US__BROKER__OPTIONS",
            "{opening_session: 2026-11-20, account: live}",
        )
        market = {**DEMO["markets"]["us"], "history_last": None, "mode": "live"}
        with pytest.raises(ConfigError, match="allowed in the environment live only"):
            written("markets.us", market)

    @pytest.mark.parametrize("found", ["LIVE", "real", 1, None, True])
    def test_another_word_is_refused(self, written, found: object) -> None:
        with pytest.raises(ConfigError, match="allowed: dry_run, paper, live"):
            written("markets.us.mode", found)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "opening_session"),
        ({"opening_session": "soon"}, "opening_session"),
        ({"time_in_force": "gtc"}, "time_in_force"),
        ({"requests_per_minute": 200.0}, "requests_per_minute"),
        ({"local_url": "https://api.alpaca.markets"}, "this machine"),
        ({"key_id": "PK1"}, "TRADEGRAPH_SECRET_ALPACA_KEY_ID"),
        ({"paper": True}, "paper: unknown key"),
    ],
)
def test_the_alpaca_brokers_options_are_checked_when_read(written, options, said: str) -> None:
    given = {"kind": "alpaca", "options": {**ALPACA["options"], **options} if options else {}}
    with pytest.raises(ConfigError, match=said):
        written("markets.us.broker", given)


@pytest.mark.parametrize("kind", ["memory", "files", "sample"])
def test_a_broker_that_would_forget_or_is_none_cannot_be_chosen(written, kind: str) -> None:
    with pytest.raises(ConfigError, match=f"found '{kind}', allowed: alpaca, simulated"):
        written("markets.us.broker", {"kind": kind})


def test_a_run_waits_a_minimum_before_it_sends_again(written) -> None:
    with pytest.raises(ConfigError, match=r"grace_seconds: found 5\.0, allowed: 30 to 3600"):
        written("markets.us.submission.grace_seconds", 5.0)
    assert (
        written("markets.us.submission.grace_seconds", 60.0)
        .markets["us"]
        .submission_policy.grace_seconds
        == 60.0
    )


def test_retired_audit_keys_come_after_the_signing_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADEGRAPH_SECRET_AUDIT_KEY", "11" * 32)
    settings = load_settings("demo", {"data_dir": str(tmp_path)})
    assert settings.audit_keys().keys == (b"\x11" * 32,)
    monkeypatch.setenv("TRADEGRAPH_SECRET_AUDIT_KEYS_RETIRED", "22" * 32 + "," + "33" * 32)
    assert settings.audit_keys().keys == (b"\x11" * 32, b"\x22" * 32, b"\x33" * 32)


@pytest.mark.parametrize("name", ["AUDIT_KEY", "AUDIT_KEYS_RETIRED"])
def test_an_audit_key_that_is_no_hex_is_refused_without_showing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(f"TRADEGRAPH_SECRET_{name}", "canary")
    with pytest.raises(ConfigError, match=f"{name}: expected hex") as caught:
        load_settings("demo", {"data_dir": str(tmp_path)}).audit_keys()
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("name", ["AUDIT_KEY", "AUDIT_KEYS_RETIRED"])
def test_a_short_audit_key_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(f"TRADEGRAPH_SECRET_{name}", "ab" * 31)
    with pytest.raises(ConfigError, match=f"{name}: expected at least 64 hex digits, found 62"):
        load_settings("demo", {"data_dir": str(tmp_path)}).audit_keys()


def test_every_secret_that_is_set_is_to_be_masked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADEGRAPH_SECRET_AUDIT_KEYS_RETIRED", "2222,3333")
    monkeypatch.setenv("TRADEGRAPH_SECRET_ALPACA_SECRET_KEY", "canary")
    url = "postgresql://me:p%40ss@host/ledger"
    settings = load_settings("demo", {"data_dir": str(tmp_path), "ledger_url": url})
    assert {"canary", "2222", "3333", "p@ss"} <= set(settings.secret_values())


def test_audit_checkpoints_go_where_the_operator_says(tmp_path: Path) -> None:
    settings = load_settings("demo", {"data_dir": str(tmp_path)})
    assert settings.checkpoint_dir == tmp_path / "checkpoints"
    far = load_settings("demo", {"data_dir": str(tmp_path), "audit.checkpoint_dir": "/mnt/worm"})
    assert far.checkpoint_dir == Path("/mnt/worm")
