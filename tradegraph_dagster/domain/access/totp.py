"""One-time codes after RFC 6238: SHA-1, thirty seconds, six digits."""

from __future__ import annotations

import base64
import binascii
import hmac
from datetime import datetime

import pyotp

from tradegraph_dagster.domain.core.errors import InvariantBroken

STEP_SECONDS = 30
DIGITS = 6
# Steps before and after the current one whose codes pass: clocks differ, people type slowly.
WINDOW_STEPS = 1
SHORTEST_SECRET_BYTES = 20


def secret_text(raw: bytes) -> str:
    """A secret as people and their apps write it: base32 without padding.

    Raises:
        InvariantBroken: It has fewer than 160 bits.
    """
    if len(raw) < SHORTEST_SECRET_BYTES:
        raise InvariantBroken(
            f"a secret of codes has {len(raw)} bytes, expected at least {SHORTEST_SECRET_BYTES}"
        )
    return base64.b32encode(raw).decode().rstrip("=")


def code_at_step(secret: str, step: int, *, digits: int = DIGITS) -> str:
    """The code of a time step.

    Raises:
        InvariantBroken: The secret is no base32.
    """
    try:
        return pyotp.HOTP(secret, digits=digits).at(step)
    except binascii.Error as error:
        raise InvariantBroken("the secret of a person's codes is no base32; enrol anew") from error


def step_at(at: datetime) -> int:
    """The time step of an instant."""
    return int(at.timestamp()) // STEP_SECONDS


def matched_step(secret: str, code: str, at: datetime) -> int | None:
    """The newest step near `at` whose code this is; None for a wrong code."""
    now = step_at(at)
    found = None
    for step in range(now - WINDOW_STEPS, now + WINDOW_STEPS + 1):
        # Every step is compared, so that the time taken says nothing.
        if hmac.compare_digest(code_at_step(secret, step).encode(), code.encode()):
            found = step
    return found


def enrolment_uri(name: str, secret: str, *, env: str) -> str:
    """What an authenticator app scans; shown once, kept nowhere."""
    issuer = f"Tradegraph {env}"
    return pyotp.TOTP(secret, issuer=issuer).provisioning_uri(name=name)
