"""Texts from outside, made fit for every store.

No database takes a lone surrogate, which is what Python makes of a byte that is no text, and
PostgreSQL takes no NUL and nothing longer than its column.
"""

from __future__ import annotations

import hashlib
import re

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_DIGEST_DIGITS = 16


def clean_text(text: str) -> str:
    """The text with U+FFFD in place of each character that a store refuses."""
    return _UNSTORABLE.sub("\ufffd", text)


def fitting_id(text: str, longest: int) -> str:
    """An identity as a column holds it: itself where it fits, else its start and its hash.

    The same text always gives the same, and two that differ stay apart.

    Args:
        text: The identity.
        longest: Characters the column holds, more than 17.
    """
    cleaned = clean_text(text)
    if cleaned == text and len(text) <= longest:
        return text
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:_DIGEST_DIGITS]
    return f"{cleaned[: longest - _DIGEST_DIGITS - 1]}~{digest}"
