from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tradegraph_dagster.domain.audit.canonical import canonical_json
from tradegraph_dagster.domain.core.errors import InvariantBroken


def test_sorted_compact_and_unescaped() -> None:
    data = {"b": [1, True, None], "a": {"d": "沪", "c": ("x",)}}
    assert canonical_json(data) == '{"a":{"c":["x"],"d":"沪"},"b":[1,true,null]}'


def test_keys_sort_by_utf_16_as_rfc_8785_wants() -> None:
    # U+1F600 is two surrogates from U+D83D, before U+FB33, though its code point is larger.
    assert canonical_json({"\ufb33": 1, "\U0001f600": 2}) == '{"\U0001f600":2,"\ufb33":1}'


@pytest.mark.parametrize(
    "wrong",
    [1.0, float("nan"), Decimal("1"), {1: "x"}, {"a": [0.5]}, b"x", 2**53, "\ud800", {"\udfff": 1}],
)
def test_what_cannot_be_canonical_is_refused(wrong: Any) -> None:
    with pytest.raises(InvariantBroken):
        canonical_json(wrong)


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        ({"orders": [{"side": "buy"}, {"price": 1.5}]}, "details.orders[1].price: expected text"),
        ({"a": [2**53]}, "details.a[0]: 9007199254740992 is too large"),
        ({"a": {"b": {3: "x"}}}, "details.a.b: expected text as keys, found 3"),
        (0.5, "details: expected text"),
    ],
)
def test_the_error_says_where(wrong: Any, place: str) -> None:
    with pytest.raises(InvariantBroken) as refusal:
        canonical_json(wrong)
    assert str(refusal.value).startswith(place)
