"""Texts that stores refuse are made fit for them; all others stay as they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradegraph_dagster.domain.core.texts import clean_text, fitting_id

ANY = st.text(st.characters(codec=None, exclude_categories=()), max_size=60)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Stra\udcdfe brennt", "Stra\ufffde brennt"),
        ("a\0b", "a\ufffdb"),
        ("\ud800e", "\ufffde"),
        ("Straße 中文 \U0001f525", "Straße 中文 \U0001f525"),
        ("", ""),
    ],
)
def test_only_what_a_store_refuses_is_replaced(text: str, clean: str) -> None:
    assert clean_text(text) == clean


@given(ANY)
def test_a_clean_text_can_be_stored_and_stays_clean(text: str) -> None:
    cleaned = clean_text(text)
    assert "\0" not in cleaned.encode().decode()
    assert len(cleaned) == len(text)
    assert clean_text(cleaned) == cleaned


@given(ANY)
def test_an_identity_fits_and_fits_again(text: str) -> None:
    fitted = fitting_id(text, 32)
    assert len(fitted) <= 32
    assert fitted == clean_text(fitted) == fitting_id(fitted, 32)
    assert (fitted == text) == (clean_text(text) == text and len(text) <= 32)


def test_identities_that_differ_stay_apart() -> None:
    odd = ["e\0", "e\ufffd", "e\ud800", "e\ud801", "e" * 129, "e" * 130]
    assert len({fitting_id(one, 128) for one in odd}) == len(odd)
