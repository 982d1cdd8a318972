"""The keys of an audit chain: one signs, those before it still verify."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from functools import cached_property

from tradegraph_dagster.domain.core.errors import InvariantBroken

_NAME_DOMAIN = b"tg-key-id-v1\0"
_NAME_DIGITS = 16
SHORTEST_KEY_BYTES = 32


@dataclass(frozen=True)
class Keyring:
    """Keys, the newest first, which signs; a key that was retired stays for what it signed."""

    keys: tuple[bytes, ...] = field(repr=False)

    def __post_init__(self) -> None:
        if not self.keys:
            raise InvariantBroken("expected at least one audit key, found none; set one")

    @property
    def signing(self) -> bytes:
        """The key of new entries."""
        return self.keys[0]

    def knows(self, name: str) -> bool:
        """Whether a key of this id is here; entries without an id may be of any."""
        return not name or name in self._by_name

    def age(self, name: str) -> int:
        """0 for the signing key, more for each that came before; most where there is no name."""
        return self._ages.get(name, len(self.keys))

    def verifies(self, digest: str, signature: str, *, name: str) -> bool:
        """Whether the named key, or any key where there is no name, made the signature."""
        keys = (self._by_name[name],) if name else self.keys
        found = signature.encode("utf-8", "surrogateescape")
        return any(hmac.compare_digest(sign(digest, key).encode(), found) for key in keys)

    @cached_property
    def _by_name(self) -> dict[str, bytes]:
        return {key_id(key): key for key in self.keys}

    @cached_property
    def _ages(self) -> dict[str, int]:
        # From the oldest, so that a key that is named twice counts as its newer place.
        return {key_id(self.keys[age]): age for age in reversed(range(len(self.keys)))}


def key_id(key: bytes) -> str:
    """Public name of a key: 16 hexadecimal digits of a hash, which tell nothing of the key."""
    return hashlib.sha256(_NAME_DOMAIN + key).hexdigest()[:_NAME_DIGITS]


def sign(digest: str, key: bytes) -> str:
    """HMAC-SHA256 over a hash in hexadecimal."""
    return hmac.digest(key, digest.encode(), "sha256").hex()
