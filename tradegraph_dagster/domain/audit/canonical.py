"""Canonical JSON of audit details, and the redaction of secrets before anything is hashed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from tradegraph_dagster.domain.core.errors import InvariantBroken

REDACTED = "[redacted]"

# Beyond this, JSON readers in other languages round an integer and see another hash.
LARGEST_INTEGER = 2**53 - 1

_SECRET_NAME = re.compile(
    r"secret|passw|passphrase|token|credential|authori[sz]ation|api_?key|private|"
    r"(^|[^a-z])keys?($|[^a-z])"
)
# Alpaca key ids, its header names, Fernet tokens and bearer headers.
_SECRET_VALUE = re.compile(r"\b[PA]K[A-Z0-9]{16,}|APCA[\w-]*|gAAAAA[\w=-]+|(?i:bearer)\s+\S+")
_CAMEL_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def canonical_json(data: Any) -> str:
    """Sorted, compact JSON after RFC 8785, without numbers other than integers.

    Raises:
        InvariantBroken: A float, another type, a key that is no string, an integer that other
            readers would round, or text that is not Unicode.
    """
    text = json.dumps(
        _ordered(data, "details"), separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvariantBroken(f"audit text is not Unicode: {error}; clean it first") from error
    return text


def redact(data: Any) -> Any:
    """Replace values under a secret's name, and parts of strings that look like one.

    Names of things that vary, such as symbols, belong in values: a map from symbols would lose
    KEY.
    """
    if isinstance(data, Mapping):
        return {
            name: REDACTED if _is_secret_name(name) else redact(value)
            for name, value in data.items()
        }
    if isinstance(data, list | tuple):
        return [redact(value) for value in data]
    return _SECRET_VALUE.sub(REDACTED, data) if isinstance(data, str) else data


def _is_secret_name(name: Any) -> bool:
    return isinstance(name, str) and bool(
        _SECRET_NAME.search(_CAMEL_HUMP.sub("_", name).lower().replace("-", "_"))
    )


def _ordered(data: Any, where: str) -> Any:
    if data is None or isinstance(data, bool):
        return data
    if isinstance(data, str):
        return str(data)
    if isinstance(data, int):
        if abs(data) > LARGEST_INTEGER:
            raise InvariantBroken(f"{where}: {data} is too large, write it as text")
        return int(data)
    if isinstance(data, list | tuple):
        return [_ordered(value, f"{where}[{index}]") for index, value in enumerate(data)]
    if isinstance(data, Mapping):
        wrong = [name for name in data if not isinstance(name, str)]
        if wrong:
            raise InvariantBroken(f"{where}: expected text as keys, found {wrong[0]!r}")
        names = sorted(data, key=lambda name: str(name).encode("utf-16-be", "surrogatepass"))
        return {str(name): _ordered(data[name], f"{where}.{name}") for name in names}
    raise InvariantBroken(
        f"{where}: expected text, integers, booleans, lists or maps, found "
        f"{type(data).__name__} {data!r}; write numbers with a fraction as text"
    )
