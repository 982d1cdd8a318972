"""Sealing, rotation, and keys that are no keys."""

from __future__ import annotations

import base64
import traceback

import pytest
from cryptography.fernet import Fernet

from tradegraph_dagster.adapters.fernet.vault import FernetVault
from tradegraph_dagster.domain.core.errors import ConfigError

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))


def test_what_was_sealed_opens() -> None:
    vault = FernetVault([OLD])
    token = vault.seal("sesame ü 密")
    assert token.startswith("gAAAAA")
    assert vault.open(token) == "sesame ü 密"


def test_the_first_key_seals_and_any_opens() -> None:
    old = FernetVault([OLD]).seal("sesame")
    both = FernetVault([NEW, OLD])
    assert both.open(old) == "sesame"
    assert FernetVault([NEW]).open(both.seal("fresh")) == "fresh"


def test_after_the_rotation_the_old_key_is_worth_nothing() -> None:
    old = FernetVault([OLD]).seal("sesame")
    renewed = FernetVault([NEW, OLD]).renew(old)
    assert FernetVault([NEW]).open(renewed) == "sesame"
    with pytest.raises(ConfigError, match="another master key"):
        FernetVault([NEW]).open(old)
    with pytest.raises(ConfigError, match="another master key"):
        FernetVault([OLD]).open(renewed)


def test_a_rotation_keeps_when_it_was_sealed() -> None:
    old = FernetVault([OLD]).seal("sesame")
    renewed = FernetVault([NEW, OLD]).renew(old)
    assert Fernet(NEW).extract_timestamp(renewed) == Fernet(OLD).extract_timestamp(old)


@pytest.mark.parametrize("position", range(0, 100, 7))
def test_a_changed_token_is_refused(position: int) -> None:
    vault = FernetVault([OLD])
    raw = bytearray(base64.urlsafe_b64decode(vault.seal("sesame" * 4)))
    raw[position % len(raw)] ^= 1
    token = base64.urlsafe_b64encode(raw).decode()
    for use in (vault.open, vault.renew):
        with pytest.raises(ConfigError, match="damaged"):
            use(token)


@pytest.mark.parametrize("token", ["", "no token", "gAAAAA", "密"])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(ConfigError, match="damaged"):
        FernetVault([OLD]).open(token)


def test_no_key_is_refused() -> None:
    with pytest.raises(ConfigError, match="found none"):
        FernetVault([])


@pytest.mark.parametrize(
    "wrong",
    [
        base64.urlsafe_b64encode(bytes(31)).decode(),
        base64.urlsafe_b64encode(bytes(33)).decode(),
        "correct horse battery staple",
        "密" * 44,
        OLD[:-2],
    ],
    ids=["31 bytes", "33 bytes", "words", "not ASCII", "cut off"],
)
def test_a_key_of_another_length_is_refused_and_never_shown(wrong: str) -> None:
    with pytest.raises(ConfigError, match="master key 2 is not 32 bytes") as caught:
        FernetVault([NEW, wrong])
    shown = "".join(traceback.format_exception(caught.value))
    assert wrong not in shown
    assert NEW not in shown
