"""Secret options of an adapter that are not in the environment: from the sealed credentials."""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr

from tradegraph_dagster.domain.access.sealed import open_at
from tradegraph_dagster.domain.audit.redaction import Redactor
from tradegraph_dagster.domain.core.clock import Clock
from tradegraph_dagster.settings import Settings

_SECRETS = ("key_id", "secret_key")


def with_sealed_secrets(
    options: Any, kind: str, *, settings: Settings, clock: Clock, redactor: Redactor
) -> Any:
    """The options, with the stored credential of each secret that is absent.

    A credential opens for the account and environment that it was stored for.

    Args:
        options: Of the adapter; returned as they are where no secret is absent.
        kind: Name of the adapter, with which the names of its credentials begin.
        settings: Where credentials are stored, and what opens them.
        clock: For the books that are opened.
        redactor: Learns what was opened, to mask it in records.

    Raises:
        ConfigError: The master key is absent, or does not open a credential.
        AccessDenied: A credential was stored for something else.
    """
    absent = {
        f"{kind}_{field}": field
        for field in _SECRETS
        if field in type(options).model_fields and getattr(options, field) is None
    }
    if not absent:
        return options
    from tradegraph_dagster.resources.access import open_access_desk

    shared = open_access_desk(settings, clock)
    found = {}
    for stored in shared.credentials.credentials():
        if stored.name in absent:
            place = shared.access.place_at(options.account, stored.name)
            value = open_at(shared.access.vault, stored.sealed, place)
            redactor.learn(value)
            found[absent[stored.name]] = SecretStr(value)
    return options.model_copy(update=found)
