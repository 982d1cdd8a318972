"""Write the pages of `docs/reference` that are made from code; a test compares them with it."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from pathlib import Path

import tradegraph_dagster.domain as domain
from scripts.settings_page import settings_page
from tradegraph_dagster.domain.core.frames import FrameSchema

REFERENCE = Path(__file__).resolve().parent.parent / "docs" / "reference"


def stage_schemas() -> dict[str, list[FrameSchema]]:
    """Stage -> the tables its schema module declares."""
    found: dict[str, list[FrameSchema]] = {}
    for stage in pkgutil.iter_modules(domain.__path__):
        name = f"{domain.__name__}.{stage.name}.schema"
        if importlib.util.find_spec(name) is None:
            continue
        module = importlib.import_module(name)
        own = [value for value in vars(module).values() if isinstance(value, FrameSchema)]
        if own:
            found[stage.name] = own
    return found


def tables_page() -> str:
    """The page's text."""
    lines = [
        "# Tables",
        "",
        "Made from the frame schemas by `scripts/write_reference.py`. One Parquet file a",
        "partition, `<lake>/<market>/<table>/<partition>.parquet`, sorted and unique on the key.",
        "`features` has one float32 column a feature of the configured set beside its key.",
    ]
    for stage, schemas in stage_schemas().items():
        lines += ["", f"## {stage}"]
        for schema in schemas:
            lines += [
                "",
                f"### {schema.name}",
                "",
                f"{schema.doc} Key: {', '.join(f'`{name}`' for name in schema.key)}.",
                "",
                "| column | type | unit | null | meaning |",
                "|---|---|---|---|---|",
            ]
            lines += [
                f"| `{name}` | {column.dtype} | {column.unit} | "
                f"{'yes' if column.nullable else 'no'} | {column.doc} |"
                for name, column in schema.columns.items()
            ]
    return "\n".join(lines) + "\n"


GENERATED = {"tables.md": tables_page, "settings.md": settings_page}

if __name__ == "__main__":
    for name, text in GENERATED.items():
        (REFERENCE / name).write_text(text(), encoding="utf-8")
