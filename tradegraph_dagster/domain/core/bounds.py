"""Range checks for the settings that stages take."""

from __future__ import annotations


def require(condition: bool, key: str, found: object, allowed: str) -> None:
    """Raise unless `condition` holds.

    Raises:
        ValueError: Names the key, what was found and what is allowed; `settings` adds the file.
    """
    if not condition:
        raise ValueError(f"{key}: found {found!r}, allowed: {allowed}")
