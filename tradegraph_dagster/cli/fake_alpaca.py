"""`tradegraph fake-alpaca`: a local Alpaca to try paper trading on, without keys."""

from __future__ import annotations

import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from tradegraph_dagster.cli.output import domain_errors
from tradegraph_dagster.domain.core.errors import ConfigError

KEY_ID = "LOCALKEY"
TICK_SECONDS = 1.0


def fake_alpaca(
    port: Annotated[int, typer.Option(min=0, help="Of the REST API; 0 is any free one.")] = 8788,
    stream_port: Annotated[
        int, typer.Option(min=0, help="Of the stream; 0 is any free one.")
    ] = 8789,
    folder: Annotated[Path, typer.Option(help="Where its book is kept.")] = Path(
        ".tradegraph/fake-alpaca"
    ),
    cash: Annotated[str, typer.Option(help="USD of a new account.")] = "100000",
    seed: Annotated[int, typer.Option(help="Of the wandering quotes.")] = 0,
    bars: Annotated[
        Path | None, typer.Option(help="Parquet file of raw bars to serve and to start from.")
    ] = None,
) -> None:
    """Run a local Alpaca until Ctrl-C: REST and stream on this machine, orders kept in a file."""
    import polars as pl

    from tradegraph_dagster.adapters.fake_alpaca.server import SECRET, LocalAlpaca
    from tradegraph_dagster.adapters.system.clock import SystemClock

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with domain_errors():
        try:
            frame = None if bars is None else pl.read_parquet(bars)
            alpaca = LocalAlpaca(
                folder, clock=SystemClock(), port=port, stream_port=stream_port, bars=frame
            )
        except OSError as error:
            raise ConfigError(f"cannot start: {error}; choose other ports or files") from error
        with alpaca, suppress(KeyboardInterrupt):
            account = alpaca.account(KEY_ID, cash=cash, seed=seed, partial_rate=0.1)
            typer.echo(_how_to(alpaca.rest_url, alpaca.stream_url, SECRET))
            while True:
                time.sleep(TICK_SECONDS)
                account.do("walk")


def _how_to(rest_url: str, stream_url: str, secret: str) -> str:
    return f"""REST and data  {rest_url}
Stream         {stream_url}
Keys           export TRADEGRAPH_SECRET_ALPACA_KEY_ID={KEY_ID}
               export TRADEGRAPH_SECRET_ALPACA_SECRET_KEY={secret}
Broker         broker: {{kind: alpaca, options: {{local_url: "{rest_url}", ...}}}}
Ctrl-C ends it; its book stays."""
