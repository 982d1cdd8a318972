"""What the model and registry stages need from outside."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from tradegraph_dagster.domain.models.schema import ModelVersion

# Tags that tell apart two versions of one file: equal trees may read other features, or have
# learned other labels.
IDENTITY_TAGS = ("trained_through", "feature_set_version", "horizon_sessions")


class ModelRegistry(Protocol):
    """Keeps model files of one market, their versions and the champion alias."""

    def register(
        self,
        artifact: Path,
        tags: Mapping[str, str],
        *,
        params: Mapping[str, object],
        metrics: Mapping[str, float],
    ) -> ModelVersion:
        """Register one model file and return its version.

        `tags` hold trained_through (ISO date), kind, feature_set_version and whatever else the
        caller wants kept. Registering a file whose SHA-256 is known with the same IDENTITY_TAGS
        returns the version it already has.
        """
        ...

    def fetch(self, version: str) -> tuple[Path, ModelVersion]:
        """The model file, checked against the SHA-256 written at registration.

        Raises:
            CorruptPartition: The file is missing or has changed.
        """
        ...

    def set_champion(self, version: str) -> None:
        """Point the champion alias at `version`; for people and the UI, nothing trades on it."""
        ...

    def champion(self) -> str | None:
        """Where the alias points."""
        ...
