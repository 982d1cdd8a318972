"""Settings -> the plain objects that satisfy the ports, one desk a market.

Adapters are imported when first asked for, so that loading the definitions stays cheap and a
missing vendor package breaks only what needs it.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tradegraph_dagster.adapters.jsonl.checkpoint_journal import JsonlCheckpointJournal
from tradegraph_dagster.adapters.parquet.frame_store import ParquetFrameStore
from tradegraph_dagster.adapters.system.clock import SystemClock
from tradegraph_dagster.domain.access.ports import LiveLockBook
from tradegraph_dagster.domain.audit.ports import AuditLog, CheckpointJournal
from tradegraph_dagster.domain.audit.redaction import Redactor
from tradegraph_dagster.domain.core.clock import Clock
from tradegraph_dagster.domain.core.errors import ConfigError
from tradegraph_dagster.domain.corporate_actions.ports import ActionSource
from tradegraph_dagster.domain.features.schema import FeatureSet
from tradegraph_dagster.domain.market_data.failover import SourcePanel, SourceWatch
from tradegraph_dagster.domain.market_data.health import DataKind
from tradegraph_dagster.domain.market_data.ports import BarSource, CalendarSource, IndexSource
from tradegraph_dagster.domain.markets.catalogue import load_market
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.models.ports import ModelRegistry
from tradegraph_dagster.domain.models.schema import TrainingPlan
from tradegraph_dagster.domain.orders.ports import Broker, BrokerSetup, TradingBooks
from tradegraph_dagster.domain.quality.ports import ReleaseBook, TableContract
from tradegraph_dagster.market_settings import MarketSettings
from tradegraph_dagster.settings import Settings

if TYPE_CHECKING:
    from tradegraph_dagster.domain.monitoring.health import HaltLimits
    from tradegraph_dagster.domain.monitoring.readiness import Surroundings
    from tradegraph_dagster.resources.live_door import LiveDoor

# How long after its scheduled start the after-close job may take.
GRACE_MINUTES = 30


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class MarketDesk:
    """Everything the assets of one market work with."""

    def __init__(self, name: str, settings: Settings, clock: Clock) -> None:
        self.name = name
        self.clock = clock
        self.deployment = settings
        self.settings: MarketSettings = settings.markets[name]
        self.market = load_market(name)

    @cached_property
    def workspace(self) -> Workspace:
        """Rules, lake and start of history."""
        store = ParquetFrameStore(self.deployment.lake_dir / self.name)
        return Workspace(self.market, store, self.settings.history_first)

    @cached_property
    def bar_sources(self) -> SourcePanel[BarSource]:
        """Where bars and instruments come from."""
        return SourcePanel(self._open_sources("bars"), self.source_watch)

    @cached_property
    def action_sources(self) -> SourcePanel[ActionSource]:
        """Where corporate actions come from."""
        return SourcePanel(self._open_sources("actions"), self.source_watch)

    @cached_property
    def index_sources(self) -> SourcePanel[IndexSource]:
        """Where index members come from."""
        return SourcePanel(_one_a_name(self._open_sources("index_members")), self.source_watch)

    @cached_property
    def calendar_sources(self) -> Sequence[CalendarSource]:
        """Vendors whose trading days can be held against the market's own; often none."""
        return _one_a_name(self._sources_serving("calendar"))

    @cached_property
    def source_watch(self) -> SourceWatch:
        """How the sources have answered lately; needs no audit key."""
        from tradegraph_dagster.adapters.sql.source_health import open_source_health

        book = open_source_health(self._ledger_url, market=self.name)
        return SourceWatch(book, self.clock, self.settings.routing.build())  # type: ignore[attr-defined]

    @cached_property
    def contract(self) -> TableContract:
        """The declarative suite over adjusted bars."""
        from tradegraph_dagster.adapters.great_expectations.table_contract import (
            GreatExpectationsContract,
        )

        return GreatExpectationsContract()

    @cached_property
    def registry(self) -> ModelRegistry:
        """Models and the champion alias."""
        from tradegraph_dagster.adapters.mlflow.model_registry import MlflowModelRegistry

        return MlflowModelRegistry(
            self.deployment.effective_registry_uri, self.deployment.root / "models", self.name
        )

    @cached_property
    def _ledger(self) -> Any:
        from tradegraph_dagster.adapters.sql.ledger import open_ledger

        return open_ledger(
            self._ledger_url,
            market=self.name,
            clock=self.clock,
            audit_key=self.deployment.audit_key(),
            redactor=self.redactor,
            journal=self.checkpoints,
        )

    @cached_property
    def _ledger_url(self) -> str:
        """Where the ledger is, its tables made."""
        from tradegraph_dagster.adapters.sql.ledger import create_schema

        self.deployment.root.mkdir(parents=True, exist_ok=True)
        create_schema(self.deployment.effective_ledger_url)
        return self.deployment.effective_ledger_url

    @property
    def books(self) -> TradingBooks:
        """The ledger's books."""
        return self._ledger.books  # type: ignore[no-any-return]

    @property
    def ledger_engine(self) -> Any:
        """The ledger's database, for what all markets keep in it together."""
        return self._ledger.engine

    @property
    def audit(self) -> AuditLog:
        """The audit chain."""
        return self._ledger.audit  # type: ignore[no-any-return]

    @cached_property
    def redactor(self) -> Redactor:
        """Takes secrets out of what is recorded; what decrypts one has it learn it."""
        return Redactor(*self.deployment.secret_values())

    @cached_property
    def checkpoints(self) -> CheckpointJournal:
        """Checkpoints of the audit chain, outside the ledger."""
        return JsonlCheckpointJournal(self.deployment.checkpoint_file(self.name))

    @property
    def live_door(self) -> LiveDoor:
        """What must hold before a live venue is asked, or gets an order."""
        from tradegraph_dagster.resources.live_door import LiveDoor

        return LiveDoor(
            mode=self.settings.mode,
            is_enabled=self.deployment.is_live_enabled,
            host=self.settings.broker.host,
            books=self.books,
            lock=self.live_lock,
            clock=self.clock,
        )

    @property
    def live_lock(self) -> LiveLockBook:
        """The lock of live trading."""
        return self._ledger.live_lock  # type: ignore[no-any-return]

    @property
    def releases(self) -> ReleaseBook:
        """Quarantined bars that people have let through."""
        return self._ledger.releases  # type: ignore[no-any-return]

    @cached_property
    def broker(self) -> Broker:
        """Where orders go; opening it asks nobody."""
        from tradegraph_dagster.resources.sealed_options import with_sealed_secrets

        kind = self.settings.broker.kind
        module = importlib.import_module(f"tradegraph_dagster.adapters.{kind}.broker")
        self.deployment.root.mkdir(parents=True, exist_ok=True)
        setup = BrokerSetup(
            path=self.deployment.root / f"broker_{self.name}.db",
            workspace=self.workspace,
            kill_switch=self.books.kill_switch,
            clock=self.clock,
            contact=self.live_door.contact,
        )
        options = with_sealed_secrets(
            self.settings.broker.parsed_options,
            kind,
            settings=self.deployment,
            clock=self.clock,
            redactor=self.redactor,
        )
        return module.BROKER(setup, options)  # type: ignore[no-any-return]

    @cached_property
    def feature_set(self) -> FeatureSet:
        """The configured feature set."""
        from tradegraph_dagster.domain.features.catalogue import load_feature_set

        return load_feature_set(self.settings.features)

    @property
    def training_plan(self) -> TrainingPlan:
        """How models are trained."""
        training = self.settings.training
        return TrainingPlan(
            kind=training.kind.name,
            params=training.kind.params,
            feature_set=self.settings.features,
            split=self.settings.split_plan,
            seed=training.seed,
        )

    @property
    def halt_limits(self) -> HaltLimits:
        """When the kill switch engages by itself."""
        from tradegraph_dagster.domain.monitoring.health import HaltLimits

        return HaltLimits(**self.settings.halt.model_dump())

    @property
    def scratch(self) -> Path:
        """Folder for files that are about to be registered."""
        folder = self.deployment.root / "scratch" / self.name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def require_armed(self) -> None:
        """Refuse to send live orders unless live trading is armed; other modes need no arming.

        Raises:
            TradingHalted: It is not armed for this venue; arming is an act, not a setting.
        """
        self.live_door.require_armed(lambda: self.broker.venue)

    def latest_closed(self) -> date:
        """The newest session that has closed, or the end of a closed history.

        Raises:
            CalendarExhausted: The calendar is about to end, and the history is open.
        """
        return self._newest(timedelta(minutes=1))

    def latest_due(self) -> date:
        """The newest session whose after-close job should be done by now.

        Raises:
            CalendarExhausted: As above.
        """
        minutes = self.settings.after_close_minutes + GRACE_MINUTES
        return self._newest(timedelta(minutes=minutes))

    def latest_known(self) -> date:
        """The session after the newest closed one: its corporate actions are known already."""
        newest = self.latest_closed()
        if newest == self.settings.history_last:
            return newest
        return self.market.calendar.following(newest)

    def surroundings(self) -> Surroundings:
        """What the readiness of a session depends on besides the lake."""
        from tradegraph_dagster.domain.monitoring.readiness import Surroundings

        names = [source.name for source in self.bar_sources.sources]
        return Surroundings(
            due=self.latest_due(),
            preferred_source=names[0],
            open_breakers=tuple(self.source_watch.route(names, DataKind.BARS).resting),
            halted=self.books.kill_switch.engaged(),
            reach=self.feature_set.lookback,
        )

    def _newest(self, delay: timedelta) -> date:
        last, calendar = self.settings.history_last, self.market.calendar
        if last is not None and calendar.close_at(last) + delay <= self.clock.now():
            return last
        newest = calendar.latest_closed(self.clock.now(), delay=delay)
        calendar.require_runway(newest)
        return newest

    def _open_sources(self, port: str) -> list[Any]:
        opened = self._sources_serving(port)
        if not opened:
            kinds = dict.fromkeys(source.kind for source in self.settings.sources)
            raise ConfigError(
                f"markets.{self.name}.sources: found {', '.join(kinds)}, none of which serves "
                f"{port}; add one that does"
            )
        return opened

    def _sources_serving(self, port: str) -> list[Any]:
        """The configured sources that have a module for a port; the others do not serve it."""
        modules = {
            source.kind: f"tradegraph_dagster.adapters.{source.kind}.{port}"
            for source in self.settings.sources
        }
        return [
            importlib.import_module(modules[source.kind]).SOURCE(self.market, source.parsed_options)
            for source in self.settings.sources
            if find_spec(modules[source.kind]) is not None
        ]


def _one_a_name(sources: Sequence[Any]) -> list[Any]:
    """One kind set up for several vendors' bars asks the same provider for everything else."""
    first: dict[str, Any] = {}
    for source in sources:
        first.setdefault(source.name, source)
    return list(first.values())


class Desks(Mapping[str, MarketDesk]):
    """The desks of a deployment, by market."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self.settings = settings
        shared_clock = clock or SystemClock()
        self._desks: dict[str, MarketDesk] = {
            name: MarketDesk(name, settings, shared_clock) for name in settings.markets
        }

    def __getitem__(self, market: str) -> MarketDesk:
        return self._desks[market]

    def __iter__(self) -> Any:
        return iter(self._desks)

    def __len__(self) -> int:
        return len(self._desks)
