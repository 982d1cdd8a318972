"""The model registry in dictionaries; the files are kept as bytes."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from tradegraph_dagster.domain.core.errors import CorruptPartition
from tradegraph_dagster.domain.models.ports import IDENTITY_TAGS
from tradegraph_dagster.domain.models.schema import ModelVersion


class MemoryModelRegistry:
    """A ModelRegistry that forgets everything with the process."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="tradegraph-models-")
        self._versions: dict[str, tuple[Path, ModelVersion]] = {}
        self._known: dict[tuple[str | None, ...], ModelVersion] = {}
        self._champion: str | None = None

    def register(
        self,
        artifact: Path,
        tags: Mapping[str, str],
        *,
        params: Mapping[str, object],
        metrics: Mapping[str, float],
    ) -> ModelVersion:
        """Keep a copy of the file; the same content and identity tags are the same version."""
        content = artifact.read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        identity = (sha256, *(tags.get(name) for name in IDENTITY_TAGS))
        if identity in self._known:
            return self._known[identity]
        version = str(len(self._versions) + 1)
        model = ModelVersion(
            version,
            sha256,
            date.fromisoformat(tags["trained_through"]),
            tags["kind"],
            tags["feature_set_version"],
        )
        path = Path(self._folder.name) / version
        path.write_bytes(content)
        self._versions[version] = (path, model)
        self._known[identity] = model
        return model

    def fetch(self, version: str) -> tuple[Path, ModelVersion]:
        """The file of a version."""
        if version not in self._versions:
            raise CorruptPartition(
                f"expected model version {version}, found {sorted(self._versions)}; train again"
            )
        path, model = self._versions[version]
        found = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "no file"
        if found != model.artifact_sha256:
            raise CorruptPartition(
                f"model version {version}: expected SHA-256 {model.artifact_sha256}, found {found} "
                f"at {path}; train the month again"
            )
        return path, model

    def set_champion(self, version: str) -> None:
        """Point the alias."""
        self.fetch(version)
        self._champion = version

    def champion(self) -> str | None:
        """Where the alias points."""
        return self._champion
