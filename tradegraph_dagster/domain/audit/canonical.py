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
        _ordered(data, "details"), separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvariantBroken(f"audit text is not Unicode: {error}; clean it first") from error
    return text


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
