"""One folder is one catalogue: an entry is a file, found by its name, exporting one constant.

Entries are imported only when asked for, so a missing optional library breaks only the entry that
needs it.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

from tradegraph_dagster.domain.core.errors import ConfigError


def entry_names(package: ModuleType) -> tuple[str, ...]:
    """Names of the entries in a catalogue folder, sorted, without importing them."""
    found = {
        path.stem if path.is_file() else path.name
        for root in package.__path__
        for path in Path(root).iterdir()
        if (path.suffix == ".py" or (path / "__init__.py").is_file())
        and not path.name.startswith("_")
    }
    return tuple(sorted(found))


def load_entry(package: ModuleType, name: str, constant: str) -> Any:
    """Import entry `name` and return its `constant`.

    Raises:
        ConfigError: No such entry, or the file does not define the constant.
    """
    names = entry_names(package)
    if name not in names:
        raise ConfigError(f"{package.__name__} has no '{name}'; it has: {', '.join(names)}")
    module = importlib.import_module(f"{package.__name__}.{name}")
    try:
        return getattr(module, constant)
    except AttributeError:
        raise ConfigError(f"{module.__name__} must define {constant}") from None
