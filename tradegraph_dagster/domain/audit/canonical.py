"""Canonical JSON of audit details."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tradegraph_dagster.domain.core.errors import InvariantBroken

# Beyond this, JSON readers in other languages round an integer and see another hash.
LARGEST_INTEGER = 2**53 - 1


def canonical_json(data: Any) -> str:
    """Sorted, compact JSON after RFC 8785, without numbers other than integers.

    Raises:
        InvariantBroken: A float, another type, a key that is no string, an integer that other
            readers would round, or text that is not Unicode.
    """
    text = json.dumps(
        _ordered(data, ("details",)), separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvariantBroken(f"audit text is not Unicode: {error}; clean it first") from error
    return text


def _ordered(data: Any, where: tuple[Any, ...]) -> Any:
    if data is None or isinstance(data, bool):
        return data
    if isinstance(data, str):
        return str(data)
    if isinstance(data, int):
        if abs(data) > LARGEST_INTEGER:
            raise InvariantBroken(f"{_path(where)}: {data} is too large, write it as text")
        return int(data)
    if isinstance(data, list | tuple):
        return [_ordered(value, (where, index)) for index, value in enumerate(data)]
    if isinstance(data, Mapping):
        return {
            str(name): _ordered(data[name], (where, name)) for name in _ordered_names(data, where)
        }
    raise InvariantBroken(
        f"{_path(where)}: expected text, integers, booleans, lists or maps, found "
        f"{type(data).__name__} {data!r}; write numbers with a fraction as text"
    )


def _ordered_names(data: Mapping[Any, Any], where: tuple[Any, ...]) -> list[str]:
    wrong = [name for name in data if not isinstance(name, str)]
    if wrong:
        raise InvariantBroken(f"{_path(where)}: expected text as keys, found {wrong[0]!r}")
    if all(map(str.isascii, data)):
        return sorted(data, key=str)
    return sorted(data, key=lambda name: str(name).encode("utf-16-be", "surrogatepass"))


def _path(where: tuple[Any, ...]) -> str:
    """Such as `details.orders[3].side`; put together only where it is read, in an error."""
    if len(where) == 1:
        return str(where[0])
    outer, name = where
    return f"{_path(outer)}[{name}]" if isinstance(name, int) else f"{_path(outer)}.{name}"
