"""Secrets that know where they belong.

Fernet binds a token to nothing, so a token moved to another row would open there. Account,
environment and purpose therefore go inside, and are compared on reading.
"""

from __future__ import annotations

import json
import re
from datetime import datetime

from tradegraph_dagster.domain.access.ports import Vault
from tradegraph_dagster.domain.access.schema import Credential, Place
from tradegraph_dagster.domain.core.errors import AccessDenied, ConfigError

_NAME = re.compile(r"[a-z][a-z0-9_]{1,127}")


def seal_at(vault: Vault, value: str, place: Place) -> str:
    """A token that opens at `place` only."""
    return vault.seal(json.dumps([place.account, place.env, place.purpose, value]))


def credential_at(vault: Vault, value: str, place: Place, *, by: str, at: datetime) -> Credential:
    """A credential named for its purpose.

    Raises:
        ConfigError: The name cannot be used.
    """
    if not _NAME.fullmatch(place.purpose):
        raise ConfigError(
            f"credential: found {place.purpose!r}, allowed: small letters, digits and underscores"
        )
    return Credential(place.purpose, seal_at(vault, value, place), by, at)


def open_at(vault: Vault, token: str, place: Place) -> str:
    """The value of a token found at `place`.

    Raises:
        ConfigError: None of the master keys opens it.
        AccessDenied: It belongs elsewhere.
    """
    content = json.loads(vault.open(token))
    found = Place(*content[:3])
    if found != place:
        raise AccessDenied(
            f"a sealed secret was moved: expected {place}, found {found}; somebody changed the "
            "database, put the secret there anew"
        )
    return str(content[3])
