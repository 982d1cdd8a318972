"""Secrets are taken out before anything is hashed or stored: by name, by look, by value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

REDACTED = "[redacted]"

# A shorter value would be found inside ordinary words.
SHORTEST_KNOWN = 6

_NAMES_REMEMBERED = 1024

_SECRET_NAME = re.compile(
    r"secret|passw|passphrase|token|credential|authori[sz]ation|api_?key|private|"
    r"(^|[^a-z])keys?($|[^a-z])"
)
# Alpaca key ids, its header names, Fernet tokens and bearer headers.
_SECRET_VALUE = re.compile(r"\b[PA]K[A-Z0-9]{16,}|APCA[\w-]*|gAAAAA[\w=-]+|(?i:bearer)\s+\S+")
# `"api_secret": "…"`, `token=…`, `X-Secret: …` inside a text such as a raw body or an error.
_NAMED_VALUE = re.compile(
    r"""(?ix)
    ( [\w-]* (?: secret | passw | passphrase | token | credential | authori[sz]ation
               | api[_-]?key | private ) [\w-]* \\?["']? \s* [:=] \s* )
    ( \\?"(?:[^"\\]|\\.)*" | '[^']*' | (?:(?:bearer|basic)\s+)? [^\s,;&}"']+ )
    """
)
_CAMEL_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class Redactor:
    """Masks secrets in plain data; those it was told of are masked wherever they stand.

    Names of things that vary, such as symbols, belong in values: a map from symbols would lose
    KEY.
    """

    def __init__(self, *known: str) -> None:
        self._known: tuple[str, ...] = ()
        self.learn(*known)

    def learn(self, *values: str) -> None:
        """Mask these values from now on; too short ones are left to their names."""
        told = {*self._known, *(value for value in values if len(value) >= SHORTEST_KNOWN)}
        # A secret inside a longer one must not leave the rest of it standing.
        self._known = tuple(sorted(told, key=lambda value: (-len(value), value)))

    def __call__(self, data: Any) -> Any:
        """The data with secrets replaced; text stays text, maps and lists keep their shape."""
        if isinstance(data, Mapping):
            return {
                self._mask(name): REDACTED if _is_secret_name(name) else self(value)
                for name, value in data.items()
            }
        if isinstance(data, list | tuple):
            return [self(value) for value in data]
        return self._mask(data)

    def _mask(self, data: Any) -> Any:
        if not isinstance(data, str):
            return data
        for value in self._known:
            if value in data:
                data = data.replace(value, REDACTED)
        if ":" in data or "=" in data:
            data = _NAMED_VALUE.sub(lambda found: found[1] + REDACTED, data)
        return _SECRET_VALUE.sub(REDACTED, data)


# Names are few and come again with every order.
@lru_cache(maxsize=_NAMES_REMEMBERED)
def _is_secret_name(name: Any) -> bool:
    return isinstance(name, str) and bool(
        _SECRET_NAME.search(_CAMEL_HUMP.sub("_", name).lower().replace("-", "_"))
    )
