"""What differs between markets, as frozen, typed settings; each block checks its own bounds.

An adapter's options that are secrets come from `TRADEGRAPH_SECRET_*` variables, never from a file.
"""

from __future__ import annotations

import dataclasses
import importlib
import os
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    create_model,
    field_validator,
    model_validator,
)

import tradegraph_dagster.adapters as adapter_catalogue
import tradegraph_dagster.domain.models.kinds as model_kinds
import tradegraph_dagster.domain.signals.strategies as strategies
from tradegraph_dagster.domain.core.bounds import require
from tradegraph_dagster.domain.core.catalogue import entry_names
from tradegraph_dagster.domain.core.errors import ConfigError
from tradegraph_dagster.domain.datasets.schema import LabelSpan, SplitPlan, horizons_to_spans
from tradegraph_dagster.domain.features.catalogue import feature_set_names
from tradegraph_dagster.domain.market_data.health import RoutingPolicy
from tradegraph_dagster.domain.monitoring.schema import DriftPolicy
from tradegraph_dagster.domain.orders.schema import TradingMode
from tradegraph_dagster.domain.orders.sending import SubmissionPolicy
from tradegraph_dagster.domain.quality.verdict import QualityPolicy
from tradegraph_dagster.domain.registry.schema import PromotionPolicy
from tradegraph_dagster.domain.risk.gate import configured_rules
from tradegraph_dagster.domain.risk.gate_catalogue import ConfiguredGates, configured_gates
from tradegraph_dagster.domain.risk.schema import ExecutionPolicy
from tradegraph_dagster.domain.universe.schema import UniversePolicy
from tradegraph_dagster.settings_file import problem_lines

# A server there stands for a broker, and is none.
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")

# Errors are worded here; pydantic's own text, which tracebacks show, would repeat what was found.
STRICT = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class _PolicyModel(BaseModel):
    """A settings block that builds a domain policy, whose own bounds are checked at once."""

    model_config = STRICT
    policy: ClassVar[type]

    def build(self) -> Any:
        """The domain's frozen policy."""
        return self.policy(**dict(self))

    @model_validator(mode="after")
    def _check_bounds(self) -> Self:
        self.build()
        return self


def _policy_model(policy: type) -> type[_PolicyModel]:
    plain = {"int": int, "float": float, "bool": bool, "str": str}
    fields: dict[str, Any] = {
        field.name: (plain[str(field.type)], field.default) for field in dataclasses.fields(policy)
    }
    model = create_model(policy.__name__, __base__=_PolicyModel, **fields)
    model.policy = policy
    return model


_Universe = _policy_model(UniversePolicy)
_Routing = _policy_model(RoutingPolicy)
_Quality = _policy_model(QualityPolicy)
_Split = _policy_model(SplitPlan)
_Promotion = _policy_model(PromotionPolicy)
_Drift = _policy_model(DriftPolicy)
_Execution = _policy_model(ExecutionPolicy)


class AdapterSettings(BaseModel):
    """Which adapter serves a port, and its options, checked by the adapter's own model.

    Attributes:
        kind: Folder of the adapter.
        options: Of that adapter; its own model says which there are.
    """

    model_config = STRICT
    # Module of an adapter's folder that holds OPTIONS for the port.
    options_module: ClassVar[str] = "options"

    kind: str
    options: dict[str, Any] = {}

    @model_validator(mode="after")
    def _check_options(self) -> AdapterSettings:
        self.parsed_options  # noqa: B018
        return self

    @cached_property
    def parsed_options(self) -> Any:
        """The adapter's OPTIONS model, filled."""
        folder = Path(adapter_catalogue.__path__[0])
        allowed = [
            name
            for name in entry_names(adapter_catalogue)
            if (folder / name / f"{self.options_module}.py").exists()
        ]
        require(self.kind in allowed, "kind", self.kind, ", ".join(allowed))
        module = importlib.import_module(
            f"{adapter_catalogue.__name__}.{self.kind}.{self.options_module}"
        )
        try:
            return module.OPTIONS.model_validate({**_secret_options(self.kind), **self.options})
        except ValidationError as error:
            lines = problem_lines(module.OPTIONS, error)
            raise ValueError("; ".join(f"options.{line}" for line in lines)) from error


class BrokerSettings(AdapterSettings):
    """Which broker takes the orders, and its options."""

    options_module: ClassVar[str] = "broker_options"

    @property
    def is_live(self) -> bool:
        """Whether its orders move real money."""
        return bool(self.parsed_options.is_live)

    @property
    def host(self) -> str:
        """Host its orders go to; empty for one in this process."""
        return str(self.parsed_options.host)


def _secret_options(kind: str) -> dict[str, SecretStr]:
    """Options of an adapter that are secrets: TRADEGRAPH_SECRET_ALPACA_KEY_ID is `key_id`."""
    prefix = f"TRADEGRAPH_SECRET_{kind.upper()}_"
    return {
        name.removeprefix(prefix).lower(): SecretStr(value)
        for name, value in os.environ.items()
        if name.startswith(prefix)
    }


class CatalogueSettings(BaseModel):
    """An entry of a catalogue and its parameters; the entry refuses parameters it does not know.

    Attributes:
        name: File of the entry, without its ending.
        params: Of that entry.
    """

    model_config = STRICT

    name: str
    params: dict[str, Any] = {}


class TrainingSettings(BaseModel):
    """Monthly training; a model learns from the sessions before the month it trades in.

    Attributes:
        first_month: First month a model trades in.
        kind: A kind of model, of `domain/models/kinds`.
        seed: Of every random number in training.
        min_names: Names a cross-section needs for an IC.
    """

    model_config = STRICT

    first_month: date
    kind: CatalogueSettings
    split: _Split = _Split()  # type: ignore[valid-type]
    seed: int = 20260101
    min_names: int = 10


class HaltSettings(BaseModel):
    """When the kill-switch sensor engages by itself.

    Attributes:
        max_daily_loss_frac: A session's loss over the equity before it.
        max_drawdown_frac: A fall from the peak of equity.
        max_stale_sessions: Due sessions that are not validated.
    """

    model_config = STRICT

    max_daily_loss_frac: float = 0.02
    max_drawdown_frac: float = 0.10
    max_stale_sessions: int = 1

    @model_validator(mode="after")
    def _check(self) -> HaltSettings:
        for name in ("max_daily_loss_frac", "max_drawdown_frac"):
            require(0 < getattr(self, name) <= 1, name, getattr(self, name), "0 < x <= 1")
        require(self.max_stale_sessions >= 1, "max_stale_sessions", self.max_stale_sessions, ">= 1")
        return self


class GateSettings(BaseModel):
    """The risk gates' limits; none of the gates can be left out.

    Attributes:
        policy: Named set of limits.
        limits: Gate -> limits that differ from the policy's.
    """

    model_config = STRICT

    policy: str = "strict"
    limits: dict[str, dict[str, Any]] = {}

    @model_validator(mode="after")
    def _check_limits(self) -> GateSettings:
        try:
            self.configured  # noqa: B018
        except ConfigError as error:
            raise ValueError(str(error)) from error
        return self

    @cached_property
    def configured(self) -> ConfiguredGates:
        """Every gate with its limits, by number."""
        return configured_gates(self.policy, self.limits)


class SubmissionSettings(BaseModel):
    """How patient a run that sends orders is.

    Attributes:
        grace_seconds: How long after a call the broker may still not find an order it has.
        spacing_seconds: Least time between two questions about the same order.
        patience_seconds: How long a run waits in all; 0 leaves waiting to a later run.
        lease_seconds: How long the right to send outlives a run that died.
    """

    model_config = STRICT

    grace_seconds: float = 30.0
    spacing_seconds: float = 5.0
    patience_seconds: float = 90.0
    lease_seconds: float = 5.0

    @model_validator(mode="after")
    def _check(self) -> SubmissionSettings:
        # A broker may list an order some time after it took it; asked sooner, it would be sent
        # again for nothing.
        for name, least, most in (
            ("grace_seconds", 30, 3_600),
            ("spacing_seconds", 1, 600),
            ("patience_seconds", 0, 7_200),
            ("lease_seconds", 1, 60),
        ):
            found = getattr(self, name)
            require(least <= found <= most, name, found, f"{least} to {most}")
        return self


class MarketSettings(BaseModel):
    """Everything that differs between markets.

    Attributes:
        history_first: First session of the lake.
        history_last: Last session, where the history is closed (demo); open-ended otherwise.
        sources: Where bars, instruments and corporate actions come from, the preferred first.
        routing: When a source is passed over, and how sources are compared.
        features: The feature set.
        label_horizons: Of the labels to make, in sessions; `training.split` names one of them.
        index_codes: Indices whose members are recorded after each close; providers show no other
            day's, so what was not recorded has to be imported from files.
        strategy: A strategy of `domain/signals/strategies`, forecasts to weights.
        mode: How far orders go; live takes a broker with a live account, and no other mode does.
        risk: Rule -> its limits; an absent rule is off, and the decision says so.
        gates: Limits of the gates that every order passes.
        after_close_minutes: Delay of the after-close job behind the close.
        pre_open_minutes: Lead of the pre-open job before the open.
    """

    model_config = STRICT

    history_first: date
    history_last: date | None = None
    sources: list[AdapterSettings] = Field(min_length=1)
    routing: _Routing = _Routing()  # type: ignore[valid-type]
    index_codes: list[str] = []
    universe: _Universe = _Universe()  # type: ignore[valid-type]
    quality: _Quality = _Quality()  # type: ignore[valid-type]
    features: str = "alpha158"
    label_horizons: list[int] = [1]
    training: TrainingSettings
    promotion: _Promotion = _Promotion()  # type: ignore[valid-type]
    strategy: CatalogueSettings
    risk: dict[str, dict[str, Any]]
    gates: GateSettings = GateSettings()
    execution: _Execution = _Execution()  # type: ignore[valid-type]
    mode: TradingMode = TradingMode.PAPER
    broker: BrokerSettings
    submission: SubmissionSettings = SubmissionSettings()
    drift: _Drift = _Drift()  # type: ignore[valid-type]
    halt: HaltSettings = HaltSettings()
    after_close_minutes: int = 60
    pre_open_minutes: int = 30

    @model_validator(mode="after")
    def _check_entries(self) -> MarketSettings:
        for key, name, names in (
            ("features", self.features, feature_set_names()),
            ("training.kind.name", self.training.kind.name, entry_names(model_kinds)),
            ("strategy.name", self.strategy.name, entry_names(strategies)),
        ):
            require(name in names, key, name, ", ".join(names))
        for key in ("after_close_minutes", "pre_open_minutes"):
            require(1 <= getattr(self, key) <= 180, key, getattr(self, key), "1 to 180")
        self.label_spans  # noqa: B018
        try:
            configured_rules(self.risk)
        except ConfigError as error:
            raise ValueError(f"risk: {error}") from error
        return self

    @field_validator("mode", mode="before")
    @classmethod
    def _read_mode(cls, value: Any) -> Any:
        # Strict settings take text for no enumeration; the words are those of a file.
        words = [mode.value for mode in TradingMode]
        require(value in words, "mode", value, ", ".join(words))
        return TradingMode(value)

    @model_validator(mode="after")
    def _check_mode(self) -> MarketSettings:
        if self.mode is TradingMode.LIVE and not self.broker.is_live:
            raise ValueError(
                f"mode: found live with the broker {self.broker.kind}, which has no live account; "
                "choose a live broker, or mode paper or dry_run"
            )
        if self.mode is TradingMode.PAPER and self.broker.is_live:
            raise ValueError(
                f"mode: found paper with a live account of the broker {self.broker.kind}; choose a "
                "paper account, or mode live or dry_run"
            )
        return self

    @model_validator(mode="after")
    def _check_replay(self) -> MarketSettings:
        """Orders of a closed history keep no deadline and no pace: no account may get them."""
        where = "mode live" if self.mode is TradingMode.LIVE else f"the host {self.broker.host}"
        is_of_this_machine = self.broker.host in ("", *LOOPBACK_HOSTS)
        if self.history_last is not None and (
            self.mode is TradingMode.LIVE or not is_of_this_machine
        ):
            raise ValueError(
                f"history_last: found {self.history_last} with {where}; a closed history is only "
                "replayed, with a broker on this machine: leave it out to trade, or choose the "
                "broker simulated"
            )
        return self

    @property
    def submission_policy(self) -> SubmissionPolicy:
        """How far orders go, how patiently, and at the pace that the gate of the rate allows."""
        rate = next(limits for gate, limits in self.gates.configured if gate.name == "order_rate")
        return SubmissionPolicy(
            mode=self.mode,
            max_per_second=int(rate["max_per_second"]),
            max_per_minute=int(rate["max_per_minute"]),
            **dict(self.submission),
        )

    @property
    def split_plan(self) -> SplitPlan:
        """How training windows are cut, and which labels models learn."""
        return self.training.split.build()  # type: ignore[attr-defined, no-any-return]

    @property
    def label_spans(self) -> tuple[LabelSpan, ...]:
        """Which labels are made, the shortest first."""
        return horizons_to_spans(self.label_horizons, self.split_plan)
