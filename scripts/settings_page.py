"""The text of `docs/reference/settings.md`, from the models that read the settings."""

from __future__ import annotations

import importlib
import inspect
import re
import types
from collections.abc import Iterator, Mapping
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

import tradegraph_dagster.adapters as adapters
from tradegraph_dagster.domain.core.catalogue import entry_names
from tradegraph_dagster.settings import Settings

VARIABLES: Mapping[str, str] = {
    "TRADEGRAPH_ENV": "Which environment: demo, paper or live; demo when absent.",
    "TRADEGRAPH_CONFIG": "Another settings file than `config/<environment>.yaml`.",
    "TRADEGRAPH_<KEY>": "One setting: the key in capitals, `__` for each dot, an entry of a list "
    "by its number from 0. `TRADEGRAPH_MARKETS__CN__TRAINING__SEED=7`, "
    "`TRADEGRAPH_DATA_DIR=/data`. The value is read as YAML.",
    "TRADEGRAPH_LIVE_ENABLED": "1 where this machine may send live orders; no setting stands "
    "for it.",
    "TRADEGRAPH_SECRET_AUDIT_KEY": "Signs the audit chain: at least 64 hex digits. The demo makes "
    "its own.",
    "TRADEGRAPH_SECRET_AUDIT_KEYS_RETIRED": "Keys that verify what they signed: hex, the newest "
    "first, separated by commas.",
    "TRADEGRAPH_SECRET_MASTER_KEY": "Seals secrets: 32 bytes in URL-safe base64; more after a "
    "comma, the newest first. The demo makes its own.",
    "TRADEGRAPH_SECRET_<ADAPTER>_<OPTION>": "An option of an adapter that is a secret, such as "
    "`TRADEGRAPH_SECRET_ALPACA_KEY_ID` and `TRADEGRAPH_SECRET_ALPACA_SECRET_KEY`. Such an option "
    "is refused in a file.",
    "TRADEGRAPH_LAKE": "Set by the product, for dbt: the lake.",
    "TRADEGRAPH_MARTS": "Set by the product, for dbt: the file of the marts.",
}
INTRO = """# Settings

Made from the settings models by `scripts/write_reference.py`.

One YAML file an environment, `config/<environment>.yaml`. What counts, the later over the earlier:
defaults, the file, `TRADEGRAPH_*` variables, the command line. An unknown key, a wrong type or a
value out of range is refused with file, key, what was found and what is allowed. `<market>` is the
name of a market, `<n>` the number of an entry of a list.

Limits of the gates and rules, `gates.limits` and `risk`, are in [risk](../stages/risk.md);
parameters of models and strategies are in [models](../stages/models.md) and
[signals](../stages/signals.md).

## Environment variables

| name | meaning |
|---|---|"""


def settings_page() -> str:
    """The page's text.

    Raises:
        LookupError: A setting has no meaning in the docstring of its model.
    """
    lines = [INTRO, *(f"| `{name}` | {meaning} |" for name, meaning in VARIABLES.items())]
    lines += ["", "## Keys"]
    for path, model in _sections("", Settings):
        lines += _section(f"`{path}`" if path else "Top level", model)
    for title, module in (
        ("Options of a source, `sources.<n>.options`", "options"),
        ("Options of a broker, `broker.options`", "broker_options"),
    ):
        lines += ["", f"## {title}"]
        for kind in entry_names(adapters):
            # Options that are objects of Python come from no file.
            if (Path(adapters.__path__[0]) / kind / f"{module}.py").exists():
                found = importlib.import_module(f"{adapters.__name__}.{kind}.{module}")
                if all(one.annotation is not Any for one in found.OPTIONS.model_fields.values()):
                    lines += _section(f"kind `{kind}`", found.OPTIONS)
    return "\n".join(lines) + "\n"


def _sections(path: str, model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """Dotted path and model of each section, the outer one first."""
    yield path, model
    for name, field in model.model_fields.items():
        inner, step = _inner_model(field.annotation)
        if inner is not None:
            yield from _sections(f"{path}.{name}{step}".lstrip("."), inner)


def _inner_model(annotation: Any) -> tuple[type[BaseModel] | None, str]:
    origin, given = get_origin(annotation), get_args(annotation)
    if origin is dict and _is_model(given[1]):
        return given[1], ".<market>"
    if origin is list and _is_model(given[0]):
        return given[0], ".<n>"
    return (annotation, "") if _is_model(annotation) else (None, "")


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _section(title: str, model: type[BaseModel]) -> list[str]:
    meanings = _meanings(model)
    lines = ["", f"### {title}", "", _summary(model)]
    rows = []
    for name, field in model.model_fields.items():
        if SecretStr in (field.annotation, *get_args(field.annotation)):
            continue
        inner, _ = _inner_model(field.annotation)
        meaning = meanings.get(name) or (_summary(inner) if inner else "")
        if not meaning:
            raise LookupError(f"{model.__name__}.{name}: say in the docstring what it means")
        rows.append(f"| `{name}` | {_type(field.annotation)} | {_default(field)} | {meaning} |")
    return lines + (
        ["", "| key | type | default | meaning |", "|---|---|---|---|", *rows] * bool(rows)
    )


def _documented(model: type) -> type:
    """Whose docstring speaks: the domain's policy, where the model builds one."""
    policy = getattr(model, "policy", None)
    return policy if isinstance(policy, type) else model


def _summary(model: type) -> str:
    text = inspect.getdoc(_documented(model)) or ""
    return " ".join(text.split("\n\n")[0].split())


def _meanings(model: type) -> dict[str, str]:
    """Key -> its words under `Attributes:`, those of base classes too."""
    found: dict[str, str] = {}
    for one in reversed(_documented(model).__mro__):
        _, _, listed = inspect.cleandoc(one.__dict__.get("__doc__") or "").partition(
            "Attributes:\n"
        )
        for name, words in re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", listed, re.MULTILINE):
            found[name] = " ".join(words.split()).replace("|", "\\|")
    return found


def _type(annotation: Any) -> str:
    origin, given = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(str(value) for value in given)
    if origin in (Union, types.UnionType):
        return " or ".join(_type(one) for one in given if one is not type(None))
    if _inner_model(annotation)[0] is not None:
        return {dict: "one section a market", list: "list of sections"}.get(origin, "section")
    if origin is dict:
        return "mapping"
    if origin in (list, tuple):
        return "list"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return ", ".join(str(one.value) for one in annotation)
    words = {str: "text", int: "whole number", float: "number", bool: "true or false", date: "date"}
    return words.get(annotation, "text")


def _default(field: FieldInfo) -> str:
    if _is_model(field.annotation):
        return "required" if field.is_required() else "as below"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined:
        return "required"
    if value is None or value in ("", [], {}, ()):
        return "none"
    value = value.value if isinstance(value, Enum) else value
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
