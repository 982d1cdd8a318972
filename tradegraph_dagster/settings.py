"""One YAML file an environment -> frozen, typed settings.

Precedence: defaults in code, then `config/<environment>.yaml`, then `TRADEGRAPH_*` variables, then
what the command line passes. `TRADEGRAPH_MARKETS__CN__TRAINING__SEED=7` sets
`markets.cn.training.seed`. An unknown key, a wrong type or a value out of range is a ConfigError
that names file, key, what was found and what is allowed. Nothing is converted silently: the string
"false" is no boolean.
"""

from __future__ import annotations

import base64
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

import yaml
from pydantic import BaseModel, ValidationError, field_validator, model_validator

from tradegraph_dagster.domain.audit.keys import SHORTEST_KEY_BYTES, Keyring
from tradegraph_dagster.domain.core.bounds import require
from tradegraph_dagster.domain.core.errors import ConfigError
from tradegraph_dagster.domain.markets.catalogue import market_names
from tradegraph_dagster.domain.orders.schema import TradingMode
from tradegraph_dagster.market_settings import STRICT, MarketSettings
from tradegraph_dagster.settings_file import problem_lines, read_yaml, set_key

PROJECT_ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENTS = ("demo", "paper", "live")
_RESERVED = frozenset(
    {
        "TRADEGRAPH_ENV",
        "TRADEGRAPH_CONFIG",
        "TRADEGRAPH_LAKE",
        "TRADEGRAPH_LIVE_ENABLED",
        "TRADEGRAPH_MARTS",
    }
)
_SECRET_PREFIX = "TRADEGRAPH_SECRET_"


class AuditSettings(BaseModel):
    """What makes the audit chain evidence.

    Attributes:
        checkpoint_dir: Folder of the checkpoint journals, one file a market; `checkpoints` in
            `data_dir` when empty. Put it where the writer of the ledger cannot change files.
    """

    model_config = STRICT

    checkpoint_dir: str = ""


class Settings(BaseModel):
    """One deployment.

    Attributes:
        environment: demo, paper or live.
        data_dir: Where the embedded stores live.
        ledger_url: SQLAlchemy URL; SQLite in `data_dir` when empty.
        registry_uri: MLflow tracking URI; SQLite in `data_dir` when empty.
        schedules_running: Whether schedules and sensors start switched on.
        audit: Where audit checkpoints go.
        markets: Market -> its settings; a market is a file of `domain/markets/book`.
    """

    model_config = STRICT

    environment: Literal["demo", "paper", "live"]
    data_dir: str
    ledger_url: str = ""
    registry_uri: str = ""
    schedules_running: bool = False
    audit: AuditSettings = AuditSettings()
    markets: dict[str, MarketSettings]

    @field_validator("markets", mode="before")
    @classmethod
    def _check_names(cls, value: Any) -> Any:
        for name in value if isinstance(value, dict) else ():
            require(name in market_names(), "name", name, ", ".join(market_names()))
        return value

    @model_validator(mode="after")
    def _check_modes(self) -> Settings:
        for name, market in self.markets.items():
            if self.environment == "live" and "mode" not in market.model_fields_set:
                raise ValueError(
                    f"markets.{name}.mode: absent; live takes no mode by default, set dry_run, "
                    "paper or live"
                )
            if self.environment != "live" and market.mode is TradingMode.LIVE:
                raise ValueError(
                    f"markets.{name}.mode: found live, allowed in the environment live only"
                )
        return self

    @property
    def root(self) -> Path:
        """`data_dir`, relative paths taken from the project's root."""
        return (PROJECT_ROOT / self.data_dir).resolve()

    @property
    def lake_dir(self) -> Path:
        """Folder of the Parquet lake; one sub-folder a market."""
        return self.root / "lake"

    @property
    def marts_path(self) -> Path:
        """The marts' DuckDB file."""
        return self.root / "marts.duckdb"

    @property
    def checkpoint_dir(self) -> Path:
        """Folder of the audit checkpoints."""
        return (self.root / (self.audit.checkpoint_dir or "checkpoints")).resolve()

    def checkpoint_file(self, chain: str) -> Path:
        """Where an audit chain's checkpoints are written down."""
        return self.checkpoint_dir / f"{chain}.jsonl"

    @property
    def dagster_home(self) -> Path:
        """Folder of the Dagster instance."""
        return self.root / "dagster"

    @property
    def effective_ledger_url(self) -> str:
        """Where the ledger is."""
        return self.ledger_url or f"sqlite:///{self.root / 'ledger.db'}"

    @property
    def effective_registry_uri(self) -> str:
        """Where MLflow keeps runs and models."""
        return self.registry_uri or f"sqlite:///{self.root / 'mlflow.db'}"

    def audit_key(self) -> bytes:
        """Key that signs the audit chain.

        From the variable TRADEGRAPH_SECRET_AUDIT_KEY: at least 32 bytes in hex. The demo makes one
        of its own, kept in `data_dir` and readable by its owner only.

        Raises:
            ConfigError: Outside the demo the variable must be set; or it is no hex, or short.
        """
        name = "TRADEGRAPH_SECRET_AUDIT_KEY"
        text = os.environ.get(name, "")
        if text:
            return _read_hex(name, text)
        if self.environment != "demo":
            raise ConfigError(
                f"environment {self.environment} needs {name}, 64 hex digits; "
                "see docs/how-to/rotate-keys.md"
            )
        return _kept_key(self.root / "audit.key", os.urandom(32))

    def audit_keys(self) -> Keyring:
        """The signing key, and those that were retired: they verify what they signed.

        Retired keys come from the variable TRADEGRAPH_SECRET_AUDIT_KEYS_RETIRED: hex, the newest
        first, separated by commas. A chain never goes back to a key that is older.

        Raises:
            ConfigError: As for `audit_key`, or a retired key is no hex, or short.
        """
        name = "TRADEGRAPH_SECRET_AUDIT_KEYS_RETIRED"
        keys = (_read_hex(name, text) for text in os.environ.get(name, "").split(",") if text)
        return Keyring((self.audit_key(), *keys))

    def master_keys(self) -> tuple[str, ...]:
        """Keys that seal secrets, the newest first: 32 bytes in URL-safe base64 each.

        From the variable TRADEGRAPH_SECRET_MASTER_KEY, separated by commas. The demo makes one of
        its own, kept in `data_dir` and readable by its owner only.

        Raises:
            ConfigError: Outside the demo the variable must be set.
        """
        name = "TRADEGRAPH_SECRET_MASTER_KEY"
        given = tuple(key.strip() for key in os.environ.get(name, "").split(",") if key.strip())
        if given:
            return given
        if self.environment != "demo":
            raise ConfigError(
                f"environment {self.environment} needs {name}; see docs/how-to/rotate-keys.md"
            )
        fresh = base64.urlsafe_b64encode(os.urandom(32))
        return (_kept_key(self.root / "master.key", fresh).decode(),)

    @property
    def is_live_enabled(self) -> bool:
        """Whether this machine may send live orders: TRADEGRAPH_LIVE_ENABLED is 1."""
        return os.environ.get("TRADEGRAPH_LIVE_ENABLED", "") == "1"

    def secret_values(self) -> tuple[str, ...]:
        """Every secret that the environment and the stores' URLs hold, to be masked in records."""
        given = [
            part
            for name, value in os.environ.items()
            if name.startswith(_SECRET_PREFIX)
            for part in {value, *value.split(",")}
        ]
        urls = (urlsplit(url).password for url in (self.ledger_url, self.registry_uri))
        return (*given, *(unquote(password) for password in urls if password))


def load_settings(
    environment: str | None = None, overrides: Mapping[str, Any] | None = None
) -> Settings:
    """Read the settings of an environment.

    Args:
        environment: demo, paper or live; TRADEGRAPH_ENV, else demo, when None.
        overrides: Dotted key -> value, from the command line.

    Raises:
        ConfigError: Names file, key, what was found and what is allowed.
    """
    name = environment or os.environ.get("TRADEGRAPH_ENV", "demo")
    if name not in ENVIRONMENTS:
        raise ConfigError(f"TRADEGRAPH_ENV: found {name!r}, allowed: {', '.join(ENVIRONMENTS)}")
    path = Path(os.environ.get("TRADEGRAPH_CONFIG", PROJECT_ROOT / "config" / f"{name}.yaml"))
    content = read_yaml(path)
    for key, value in {**_environment_overrides(), **(overrides or {})}.items():
        set_key(content, key.split("."), value)
    try:
        settings = Settings.model_validate(content)
    except ValidationError as error:
        raise ConfigError(
            "\n".join(f"{path}: {line}" for line in problem_lines(Settings, error))
        ) from error
    if settings.environment != name:
        raise ConfigError(
            f"{path}: environment: found {settings.environment!r}, allowed: {name!r} in this file"
        )
    return settings


def dbt_environment(settings: Settings) -> dict[str, str]:
    """Variables the dbt project reads: where the lake and the marts are."""
    return {
        "TRADEGRAPH_LAKE": str(settings.lake_dir),
        "TRADEGRAPH_MARTS": str(settings.marts_path),
    }


def prepare_process(settings: Settings) -> None:
    """Set what libraries read from the environment: instance home, batches, no telemetry."""
    write_instance_file(settings.dagster_home)
    os.environ.update(
        {
            **dbt_environment(settings),
            "TRADEGRAPH_ENV": settings.environment,
            "DAGSTER_HOME": str(settings.dagster_home),
            "DAGSTER_EVENT_BATCH_SIZE": "1000",
            "DO_NOT_TRACK": "1",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_LOGGING_LEVEL": "WARNING",
            "GX_ANALYTICS_ENABLED": "false",
            # Vendor packages draw a bar for each of thousands of requests.
            "TQDM_DISABLE": "1",
        }
    )


def write_instance_file(home: Path) -> None:
    """Put the shipped `dagster.yaml` into a Dagster home; other storage there is left alone."""
    path = home / "dagster.yaml"
    if path.exists() and "custom" not in read_yaml(path).get("storage", {}):
        return
    content = read_yaml(PROJECT_ROOT / "dagster.yaml")
    content["storage"]["custom"]["config"]["base_dir"] = str(home)
    text = yaml.safe_dump(content, sort_keys=False)
    home.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def _environment_overrides() -> dict[str, Any]:
    prefix = "TRADEGRAPH_"
    return {
        name.removeprefix(prefix).lower().replace("__", "."): yaml.safe_load(value)
        for name, value in os.environ.items()
        if name.startswith(prefix) and name not in _RESERVED and not name.startswith(_SECRET_PREFIX)
    }


def _kept_key(path: Path, fresh: bytes) -> bytes:
    """The key in a file, `fresh` where there is none yet; the first of several writers wins."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        # Readable by its owner only.
        file, name = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
        draft = Path(name)
        with os.fdopen(file, "wb") as stream:
            stream.write(fresh)
        try:
            # Unlike a rename, a link never replaces a key that something is sealed with.
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_bytes()


def _read_hex(name: str, text: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        # What the error says could show a part of the key.
        raise ConfigError(f"{name}: expected hex digits, found something else") from None
    if len(key) < SHORTEST_KEY_BYTES:
        raise ConfigError(
            f"{name}: expected at least {2 * SHORTEST_KEY_BYTES} hex digits, found {2 * len(key)}; "
            "make a new key"
        )
    return key
