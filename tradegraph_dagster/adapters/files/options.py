"""Options of the files source."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class FilesOptions(BaseModel):
    """Where the files are, and how they are to be read.

    Attributes:
        folder: Folder of the data files; a relative path starts at the working directory.
        mapping: YAML file that maps them; examples are in `config/mappings`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    folder: str
    mapping: str


OPTIONS = FilesOptions
