"""A settings file as plain values, and what is wrong with it in words; knows no setting."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from tradegraph_dagster.domain.core.errors import ConfigError


def read_yaml(path: Path) -> dict[str, Any]:
    """The content of a YAML file.

    Raises:
        ConfigError: It cannot be read, is no YAML or no mapping.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: is no YAML: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected a mapping, found {type(content).__name__}")
    return content


def set_key(content: dict[str, Any], path: Sequence[str], value: Any) -> None:
    """Set one value in nested mappings and lists; absent mappings are made, list entries are not.

    Args:
        content: Changed in place.
        path: Keys from the outside in; an entry of a list is named by its number from 0.
        value: What to set.

    Raises:
        ConfigError: The path leads through something that is no section, or to no list entry.
    """
    section: Any = content
    for part in path[:-1]:
        if isinstance(section, list):
            section = section[_entry(section, part, path)]
        else:
            section = section.setdefault(part, {})
        if not isinstance(section, dict | list):
            raise ConfigError(f"{'.'.join(path)}: '{part}' is no section")
    section[_entry(section, path[-1], path) if isinstance(section, list) else path[-1]] = value


def problem_lines(model: type[BaseModel], error: ValidationError) -> list[str]:
    """What a model refused: one line a problem with its key, what was found and what is allowed."""
    lines = []
    for problem in error.errors():
        key = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            allowed = ", ".join(_allowed_keys(model, problem["loc"][:-1])) or "nothing else"
            lines.append(f"{key}: unknown key; allowed: {allowed}")
        else:
            is_section = problem["type"] == "missing" or isinstance(problem["input"], dict)
            found = "" if is_section else f", found {problem['input']!r}"
            lines.append(f"{key}: {problem['msg']}{found}")
    return lines


def _entry(entries: list[Any], part: str, path: Sequence[str]) -> int:
    if not part.isdecimal() or int(part) >= len(entries):
        allowed = f"an entry from 0 to {len(entries) - 1}" if entries else "no entry, it is empty"
        raise ConfigError(f"{'.'.join(path)}: found {part!r} in a list, allowed: {allowed}")
    return int(part)


def _allowed_keys(model: Any, location: tuple[int | str, ...]) -> list[str]:
    for part in location:
        if isinstance(model, type) and issubclass(model, BaseModel):
            field = model.model_fields.get(str(part))
            model = field.annotation if field else None
        else:
            model = (get_args(model) or (None,))[-1]
    if isinstance(model, type) and issubclass(model, BaseModel):
        return list(model.model_fields)
    return []
