"""Options of the sample source: there are none."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class SampleOptions(BaseModel):
    """Nothing to choose."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


OPTIONS = SampleOptions
