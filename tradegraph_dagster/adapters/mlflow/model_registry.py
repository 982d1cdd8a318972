"""The model registry in MLflow: one experiment and one registered model a market.

The model file is logged as it is, without MLflow's own model packaging: that would pickle, infer
requirements and take seconds, and nothing here loads code from the registry. MLflow reads
MLFLOW_DISABLE_TELEMETRY from the environment, which the settings set before it is imported.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

from tradegraph_dagster.domain.core.errors import CorruptPartition, StoreUnavailable
from tradegraph_dagster.domain.models.ports import IDENTITY_TAGS
from tradegraph_dagster.domain.models.schema import ModelVersion

if TYPE_CHECKING:
    from mlflow import MlflowClient

ALIAS = "champion"
_FOLDER = "model"
_REQUIRED_TAGS = ("trained_through", "kind", "feature_set_version")
_ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


class MlflowModelRegistry:
    """Versions of `tradegraph-<market>`, each with its run, tags and one file.

    Args:
        tracking_uri: `sqlite:///…`, another SQLAlchemy URL with its driver named
            (`postgresql+psycopg2://…`), or the address of a server.
        artifact_root: Folder for the files of a local store; with a server, the cache of fetched
            files.
        market: Name of the experiment and part of the registered model's name.
    """

    def __init__(self, tracking_uri: str, artifact_root: Path, market: str) -> None:
        self._uri = tracking_uri
        self._root = artifact_root
        self._market = market
        self._name = f"tradegraph-{market}"

    def register(
        self,
        artifact: Path,
        tags: Mapping[str, str],
        *,
        params: Mapping[str, object],
        metrics: Mapping[str, float],
    ) -> ModelVersion:
        """Log a run with the file, and make a version of it.

        A run that was left without a version by a crash is not found again; the next call makes
        another, and the version's tags are set in the same request that creates it.
        """
        sha256 = _sha256(artifact)
        wanted = {**tags, "sha256": sha256, "file": artifact.name}
        with self._mlflow_errors():
            known = self._version_of(sha256, tags)
            if known is not None:
                return known
            run_id, location = self._log_run(artifact, wanted, params=params, metrics=metrics)
            made = self._client.create_model_version(
                self._name, source=location, run_id=run_id, tags=wanted, await_creation_for=0
            )
            self._client.set_terminated(run_id)
        return _as_version(made)

    def fetch(self, version: str) -> tuple[Path, ModelVersion]:
        """The model file, checked against the SHA-256 written at registration."""
        found = self._find(version)
        if found is None:
            raise CorruptPartition(
                f"{self._name} has no version {version}; train the month again", table="registry"
            )
        path = self._local_file(found)
        expected = found.tags["sha256"]
        actual = _sha256(path) if path.is_file() else "no file"
        if actual != expected:
            raise CorruptPartition(
                f"{self._name} version {version}: expected SHA-256 {expected}, found {actual} at "
                f"{path}; do not trade on it: restore the file or train the month again",
                table="registry",
            )
        return path, _as_version(found)

    def set_champion(self, version: str) -> None:
        """Move the alias."""
        if self._find(version) is None:
            raise CorruptPartition(
                f"{self._name} has no version {version} to make champion", table="registry"
            )
        with self._mlflow_errors():
            self._client.set_registered_model_alias(self._name, ALIAS, version)

    def champion(self) -> str | None:
        """Where the alias points."""
        from mlflow.exceptions import MlflowException

        with self._mlflow_errors():
            try:
                found = self._client.get_model_version_by_alias(self._name, ALIAS)
            except MlflowException as error:
                if error.error_code in _ABSENT:
                    return None
                raise
        return str(found.version)

    @cached_property
    def _client(self) -> MlflowClient:
        from mlflow import MlflowClient

        if self._uri.startswith("sqlite:///"):
            Path(self._uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        client = MlflowClient(tracking_uri=self._uri, registry_uri=self._uri)
        if not client.search_registered_models(f"name = '{self._name}'"):
            client.create_registered_model(self._name)
        return client

    @cached_property
    def _experiment_id(self) -> str:
        found = self._client.get_experiment_by_name(self._name)
        if found is not None:
            return str(found.experiment_id)
        # A server decides for itself where files go.
        is_local = not self._uri.startswith(("http://", "https://"))
        location = (self._root.resolve() / self._market).as_uri() if is_local else None
        return str(self._client.create_experiment(self._name, artifact_location=location))

    def _log_run(
        self,
        artifact: Path,
        tags: Mapping[str, str],
        *,
        params: Mapping[str, object],
        metrics: Mapping[str, float],
    ) -> tuple[str, str]:
        from mlflow.entities import Metric, Param

        run = self._client.create_run(
            self._experiment_id, tags=dict(tags), run_name=tags.get("month", artifact.stem)
        )
        self._client.log_batch(
            run.info.run_id,
            params=[Param(name, str(value)) for name, value in params.items()],
            metrics=[
                Metric(name, value, run.info.start_time, 0) for name, value in metrics.items()
            ],
        )
        self._client.log_artifact(run.info.run_id, str(artifact), _FOLDER)
        return run.info.run_id, f"{run.info.artifact_uri}/{_FOLDER}"

    def _version_of(self, sha256: str, tags: Mapping[str, str]) -> ModelVersion | None:
        found = self._client.search_model_versions(
            f"name = '{self._name}' and tags.sha256 = '{sha256}' "
            f"and tags.trained_through = '{tags['trained_through']}'"
        )
        # A tag that is absent cannot be asked for, only compared.
        same = [
            one
            for one in found
            if all(one.tags.get(name) == tags.get(name) for name in IDENTITY_TAGS)
        ]
        return _as_version(min(same, key=lambda one: int(one.version))) if same else None

    def _find(self, version: str) -> Any | None:
        from mlflow.exceptions import MlflowException

        with self._mlflow_errors():
            try:
                found = self._client.get_model_version(self._name, version)
            except MlflowException as error:
                if error.error_code in _ABSENT:
                    return None
                raise
        missing = [tag for tag in (*_REQUIRED_TAGS, "sha256", "file") if tag not in found.tags]
        if missing:
            raise CorruptPartition(
                f"{self._name} version {version} lacks the tags {missing}; it was not registered "
                "by this package or has been edited",
                table="registry",
            )
        return found

    def _local_file(self, found: Any) -> Path:
        source = urlparse(str(found.source))
        if source.scheme in ("", "file"):
            return Path(unquote(source.path), found.tags["file"])
        cache = self._root / "cache" / str(found.tags["sha256"])
        path = cache / _FOLDER / str(found.tags["file"])
        if not path.is_file():
            cache.mkdir(parents=True, exist_ok=True)
            with self._mlflow_errors():
                self._client.download_artifacts(found.run_id, _FOLDER, str(cache))
        return path

    @contextmanager
    def _mlflow_errors(self) -> Iterator[None]:
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (MlflowException, SQLAlchemyError) as error:
            raise StoreUnavailable(
                f"model registry {self._name}: {error}; check that it is reachable and run again",
                table="registry",
            ) from error


def _as_version(found: Any) -> ModelVersion:
    return ModelVersion(
        version=str(found.version),
        artifact_sha256=found.tags["sha256"],
        trained_through=date.fromisoformat(found.tags["trained_through"]),
        kind=found.tags["kind"],
        feature_set_version=found.tags["feature_set_version"],
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
