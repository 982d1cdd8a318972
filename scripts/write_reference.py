"""Write `docs/reference/tables.md` from the frame schemas; a test compares the two."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from pathlib import Path

import tradegraph_dagster.domain as domain
from tradegraph_dagster.domain.core.frames import FrameSchema

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "tables.md"


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


if __name__ == "__main__":
    PAGE.write_text(tables_page(), encoding="utf-8")
