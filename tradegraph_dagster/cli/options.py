"""Options that several commands take, so that they read the same in each."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
# One market must be named, or all are meant where none is.
MarketOption = Annotated[str, typer.Option("--market", "-m", help="A configured market.")]
AnyMarketOption = Annotated[str | None, typer.Option("--market", "-m", help="All when absent.")]
SessionOption = Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="YYYY-MM-DD.")]
