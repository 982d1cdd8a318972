"""A Vault of Fernet tokens: AES-128-CBC with HMAC-SHA256, keys that can be rotated."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from tradegraph_dagster.domain.core.errors import ConfigError


class FernetVault:
    """Seals under the first master key, opens with any.

    Args:
        keys: 32 bytes in URL-safe base64 each; the newest first.

    Raises:
        ConfigError: There is none, or one of them is no such key.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise ConfigError("no master key: expected 32 bytes in URL-safe base64, found none")
        self._fernet = MultiFernet([_fernet(key, place) for place, key in enumerate(keys, 1)])

    def seal(self, text: str) -> str:
        """A token of the text."""
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, token: str) -> str:
        """The text of a token."""
        try:
            return self._fernet.decrypt(token.encode()).decode()
        except InvalidToken as error:
            raise _unreadable() from error

    def renew(self, token: str) -> str:
        """The token under the first key; when it was sealed stays in it."""
        try:
            return self._fernet.rotate(token.encode()).decode()
        except InvalidToken as error:
            raise _unreadable() from error


def _fernet(key: str, place: int) -> Fernet:
    try:
        return Fernet(key)
    except ValueError:
        # Neither the key nor what the library says of it may reach a log.
        raise ConfigError(
            f"master key {place} is not 32 bytes in URL-safe base64; make one as "
            "docs/how-to/rotate-keys.md says"
        ) from None


def _unreadable() -> ConfigError:
    return ConfigError(
        "a sealed secret was made with another master key, or damaged: put the old key behind the "
        "new one in TRADEGRAPH_SECRET_MASTER_KEY, then run `tradegraph credentials rotate`"
    )
