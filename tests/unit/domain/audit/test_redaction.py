from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradegraph_dagster.domain.audit.redaction import REDACTED, Redactor

redact = Redactor()


@pytest.mark.parametrize(
    "name",
    ["api_key", "apiKey", "key", "Authorization", "secret", "X-Token", "password", "privateKey"],
)
def test_secrets_go_by_their_name_at_any_depth(name: str) -> None:
    assert redact({"a": [{name: "canary"}]}) == {"a": [{name: REDACTED}]}


@pytest.mark.parametrize(
    "value",
    ["PKABCDEFGHIJKLMNOP12", "AKABCDEFGHIJKLMNOP12", "Bearer canary", "gAAAAABcanary", "APCA-API"],
)
def test_secrets_go_by_their_look(value: str) -> None:
    assert redact({"reason": f"refused {value}"}) == {"reason": f"refused {REDACTED}"}


@pytest.mark.parametrize(
    "text",
    [
        '{"id":1,"api_secret":"canary"}',
        '{"id":1,"apiSecret": "can\\"ary canary"}',
        r'"{\"api_key\":\"canary\",\"id\":1}"',
        "APCA-API-SECRET-KEY: canary",
        "Authorization: Basic canary",
        "GET /v2/orders?token=canary&status=open",
        "password='canary'",
    ],
)
def test_a_named_secret_inside_a_text_is_masked(text: str) -> None:
    masked = redact(text)
    assert "canary" not in masked
    assert REDACTED in masked


def test_a_raw_body_keeps_the_rest() -> None:
    body = json.dumps({"id": "b-1", "secret_key": "canary", "filled_qty": "100"})
    assert json.loads(redact(body).replace(REDACTED, json.dumps(REDACTED))) == {
        "id": "b-1",
        "secret_key": REDACTED,
        "filled_qty": "100",
    }


def test_what_was_learnt_is_masked_wherever_it_stands() -> None:
    taught = Redactor("hunter2-hunter2")
    taught.learn("hunter2-hunter2-long", "abc")
    data = {"reason": "said hunter2-hunter2-long", "hunter2-hunter2": ["xhunter2-hunter2x", 1]}
    assert taught(data) == {
        "reason": f"said {REDACTED}",
        REDACTED: [f"x{REDACTED}x", 1],
    }
    assert taught("abc") == "abc"
    assert redact("hunter2-hunter2") == "hunter2-hunter2"


def test_what_is_no_secret_stays() -> None:
    data = {
        "monkey": "PK1",
        "client_order_id": "tg1-abcdefghijklmnopqrstuvwxyz",
        "n": 3,
        "z": None,
        "reason": "limit up: 11.00 = the cap; symbol: 600000.SH",
        "raw": '{"id":"b-1","symbol":"AAPL","qty":"1","type":"market"}',
    }
    assert redact(data) == data


@given(st.text(min_size=6), st.text(), st.text())
def test_a_learnt_value_never_comes_through(secret: str, before: str, after: str) -> None:
    masked = Redactor(secret)({"a": before + secret + after})["a"]
    assert secret not in masked.replace(REDACTED, "\0") or secret in REDACTED


@given(st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=8))
def test_masking_twice_changes_nothing_more(data: object) -> None:
    assert redact(redact(data)) == redact(data)
