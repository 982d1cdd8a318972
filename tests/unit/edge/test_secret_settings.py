"""Master keys, the switch of live trading, and options that come from the sealed credentials."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from pydantic import BaseModel, SecretStr

from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.domain.access.sealed import credential_at
from tradegraph_dagster.domain.audit.redaction import Redactor
from tradegraph_dagster.domain.core.errors import AccessDenied, ConfigError
from tradegraph_dagster.resources.access import open_access_desk
from tradegraph_dagster.resources.sealed_options import with_sealed_secrets
from tradegraph_dagster.settings import Settings, load_settings

CLOCK = FixedClock(datetime(2026, 11, 20, 13, tzinfo=UTC))
MASTER = "TRADEGRAPH_SECRET_MASTER_KEY"


class Options(BaseModel):
    """What a broker with keys is opened with."""

    account: str = "paper"
    key_id: SecretStr | None = None
    secret_key: SecretStr | None = None


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings("demo", {"data_dir": str(tmp_path)})


def store(settings: Settings, name: str, value: str, *, account: str = "paper") -> None:
    desk = open_access_desk(settings, CLOCK)
    place = desk.access.place_at(account, name)
    desk.credentials.put(credential_at(desk.access.vault, value, place, by="boss", at=CLOCK.now()))


def filled(settings: Settings, options: Options, redactor: Redactor | None = None) -> Options:
    told: Options = with_sealed_secrets(
        options, "alpaca", settings=settings, clock=CLOCK, redactor=redactor or Redactor()
    )
    return told


def shown(value: SecretStr | None) -> str | None:
    return value and value.get_secret_value()


def test_absent_secrets_come_from_the_sealed_store(settings: Settings) -> None:
    store(settings, "alpaca_key_id", "from-the-store-1")
    store(settings, "alpaca_secret_key", "from-the-store-2")
    redactor = Redactor()
    options = filled(settings, Options(), redactor)
    assert shown(options.key_id) == "from-the-store-1"
    assert shown(options.secret_key) == "from-the-store-2"
    assert redactor("it was from-the-store-2") == "it was [redacted]"


def test_the_environment_comes_first(settings: Settings) -> None:
    store(settings, "alpaca_key_id", "from-the-store-1")
    options = filled(settings, Options(key_id=SecretStr("given")))
    assert (shown(options.key_id), shown(options.secret_key)) == ("given", None)


def test_an_adapter_without_secrets_opens_no_vault(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MASTER, "no key at all")

    class Plain(BaseModel):
        fill_at: str = "open"

    plain = Plain()
    told = with_sealed_secrets(
        plain, "simulated", settings=settings, clock=CLOCK, redactor=Redactor()
    )
    assert told is plain
    full = Options(key_id=SecretStr("a"), secret_key=SecretStr("b"))
    assert filled(settings, full) is full


def test_keys_of_the_live_account_do_not_open_for_paper(settings: Settings) -> None:
    store(settings, "alpaca_key_id", "live-key-value", account="live")
    with pytest.raises(AccessDenied, match="was moved") as caught:
        filled(settings, Options())
    assert "live-key-value" not in str(caught.value)


def test_the_demo_keeps_a_key_of_its_own(settings: Settings) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: settings.master_keys(), range(8)))
    assert len(found) == 1
    path = settings.root / "master.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in settings.root.iterdir()] == ["master.key"]
    (key,) = settings.master_keys()
    Fernet(key)


def test_several_keys_are_separated_by_commas(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MASTER, " new , old ,")
    assert settings.master_keys() == ("new", "old")
    assert not (settings.root / "master.key").exists()


def test_other_environments_take_the_key_from_outside(settings: Settings) -> None:
    paper = settings.model_copy(update={"environment": "paper"})
    with pytest.raises(ConfigError, match=f"environment paper needs {MASTER}"):
        paper.master_keys()


@pytest.mark.parametrize(
    ("value", "is_enabled"),
    [("1", True), ("", False), ("0", False), ("true", False), ("yes", False), (" 1", False)],
)
def test_one_word_enables_live_trading_and_it_is_1(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, value: str, is_enabled: bool
) -> None:
    monkeypatch.setenv("TRADEGRAPH_LIVE_ENABLED", value)
    assert load_settings("demo").is_live_enabled is is_enabled


def test_unless_told_live_trading_is_off(settings: Settings) -> None:
    assert not settings.is_live_enabled
