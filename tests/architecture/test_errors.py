"""The drawing of the error tree, the classes and the reference page say the same."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from tradegraph_dagster.domain.core import errors

ROOT = Path(__file__).parents[2]


def _classes() -> dict[str, tuple[str, str]]:
    """Class name -> (parent, action)."""
    return {
        name: (cls.__mro__[1].__name__, cls.action.value.upper())
        for name, cls in inspect.getmembers(errors, inspect.isclass)
        if issubclass(cls, errors.TradeGraphError) and cls is not errors.TradeGraphError
    }


def _drawn() -> dict[str, tuple[str, str | None]]:
    """What the module docstring draws: class name -> (parent, action); a group has no action."""
    found: dict[str, tuple[str, str | None]] = {}
    above = ["TradeGraphError"]
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"    ((?:│   )*)[├└]── (\w+)(?:\s+([A-Z]+))?", line)
        if not match:
            continue
        indent, name, action = match.groups()
        above = above[: 1 + len(indent) // len("│   ")]
        found[name] = (above[-1], action)
        above.append(name)
    return found


def test_the_drawing_is_the_tree() -> None:
    classes, drawn = _classes(), _drawn()
    assert set(drawn) == set(classes)
    for name, (parent, action) in drawn.items():
        assert classes[name][0] == parent, name
        if action is not None:
            assert classes[name][1] == action, name


def test_the_reference_page_lists_every_error_with_its_action() -> None:
    page = (ROOT / "docs" / "reference" / "errors.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", page, flags=re.MULTILINE))
    leaves = {name: action for name, (_, action) in _drawn().items() if action}
    assert {name: action.upper() for name, action in listed.items()} == leaves
