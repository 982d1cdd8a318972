"""Figures as bytes: PNG for asset metadata, SVG that takes its colours and fonts from the page."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SALT = "tradegraph"


def figure_to_png(figure: Figure, *, dots_per_inch: int = 144) -> bytes:
    """The same figure gives the same bytes: no date, no software name."""
    buffer = io.BytesIO()
    figure.savefig(
        buffer,
        format="png",
        dpi=dots_per_inch,
        facecolor="white",
        metadata={"Software": None},
    )
    return buffer.getvalue()


def figure_to_svg(figure: Figure, name: str, variables: Mapping[str, str]) -> str:
    """An `<svg>` element for the middle of an HTML page.

    Args:
        figure: What to draw.
        name: Prefix of every id, unique in the page.
        variables: Colour in the figure -> CSS variable that replaces it.
    """
    import matplotlib as mpl

    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": _SALT, "svg.fonttype": "none"}):
        figure.savefig(
            buffer,
            format="svg",
            transparent=True,
            metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")),
        )
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\s(?:xmlns(?::\w+)?|version|width|height)="[^"]*"', "", text, count=5)
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", text)
    text = re.sub(r'(?:xlink:)?href="#([^"]+)"', rf'href="#{name}-\1"', text)
    text = re.sub(r' d="([^"]+)"', _shorter_path, text)
    for colour, variable in variables.items():
        text = text.replace(colour, variable)
    return text.strip()


def _shorter_path(found: re.Match[str]) -> str:
    """Hundredths of a point are finer than any screen and halve the page."""
    path = re.sub(r"(\.\d\d)\d+", r"\1", found[1])
    return f' d="{path.replace(chr(10), "").strip()}"'
