"""Options of the memory sources: the frames themselves."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class MemoryOptions(BaseModel):
    """Frames to serve; they come from Python, never from a settings file.

    Attributes:
        instruments: INSTRUMENTS frame.
        bars: RAW_BARS frame.
        actions: CORPORATE_ACTIONS frame; None means that there were no events.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True
    )

    instruments: Any
    bars: Any
    actions: Any = None


OPTIONS = MemoryOptions
