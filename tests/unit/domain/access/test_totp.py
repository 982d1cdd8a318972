"""One-time codes against the vectors of RFC 6238, and the window around now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from tradegraph_dagster.domain.access.totp import (
    code_at_step,
    enrolment_uri,
    matched_step,
    secret_text,
    step_at,
)
from tradegraph_dagster.domain.core.errors import InvariantBroken

# RFC 6238, appendix B: the SHA-1 column, eight digits.
SECRET = secret_text(b"12345678901234567890")
NOW = datetime(2026, 3, 2, 14, 30, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_vectors_of_the_rfc(seconds: int, code: str) -> None:
    step = step_at(datetime.fromtimestamp(seconds, UTC))
    assert code_at_step(SECRET, step, digits=8) == code
    assert code_at_step(SECRET, step) == code[2:]


@pytest.mark.parametrize(
    ("late", "is_accepted"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)]
)
def test_one_step_early_or_late_passes_and_two_do_not(late: int, is_accepted: bool) -> None:
    step = step_at(NOW) + late
    found = matched_step(SECRET, code_at_step(SECRET, step), NOW)
    assert found == (step if is_accepted else None)


@pytest.mark.parametrize("code", ["", "000000", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "🙂"])
def test_what_is_no_code_matches_nothing(code: str) -> None:
    assert code_at_step(SECRET, step_at(NOW)) != code
    assert matched_step(SECRET, code, NOW) is None


def test_a_code_lasts_thirty_seconds() -> None:
    start = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
    assert step_at(start) == step_at(start + timedelta(seconds=29, microseconds=999_999))
    assert step_at(start) + 1 == step_at(start + timedelta(seconds=30))


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(InvariantBroken, match="19 bytes, expected at least 20"):
        secret_text(bytes(19))


def test_a_damaged_secret_is_refused_without_being_shown() -> None:
    with pytest.raises(InvariantBroken) as caught:
        code_at_step("not!base32", 1)
    assert "not!base32" not in str(caught.value)


def test_the_uri_is_what_an_authenticator_reads() -> None:
    uri = urlsplit(enrolment_uri("ann", SECRET, env="paper"))
    assert (uri.scheme, uri.netloc, uri.path) == ("otpauth", "totp", "/Tradegraph%20paper:ann")
    assert parse_qs(uri.query) == {"secret": [SECRET], "issuer": ["Tradegraph paper"]}
