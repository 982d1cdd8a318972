"""Every path to a live broker, walked in a process of its own where no packet can leave unseen.

`python -m tests.support.socket_guard` reads lines of JSON, a lock and an environment each, and
answers each with one: what each path said, and every host that was looked up or connected to
meanwhile. The interpreter itself tells of both, so nothing in Python gets around it. Hosts beyond
this machine are refused, as if there were no network. Each walk is forked from this process, which
has loaded the code and has read no settings: loading takes longer than walking.
"""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from typer.testing import CliRunner

LIVE_HOST = "api.alpaca.markets"
ACCOUNT = "123456789"
SESSION = date(2013, 2, 28)
# What walks need, and takes long to load.
LOADED = (
    "tests.support.deployment",
    "tradegraph_dagster.adapters.alpaca.broker",
    "tradegraph_dagster.cli.main",
)
_HERE = ("127.0.0.1", "::1", "localhost")
_LOOKED_AT = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto")

_seen: list[str] = []


class NoNetworkError(OSError):
    """There is nothing beyond this machine."""


def guard(event: str, args: tuple[Any, ...]) -> None:
    """Keep the host of a look-up or connection; refuse it beyond this machine."""
    if event not in _LOOKED_AT:
        return
    target = args[0] if event.startswith("socket.get") else args[1]
    host = str(target[0] if isinstance(target, tuple) else target)
    is_file = not isinstance(target, tuple) and not event.startswith("socket.get")
    if is_file or host in _HERE:
        return
    _seen.append(f"{event} {host}")
    raise NoNetworkError(f"no network: {host}")


def walk(paths: dict[str, Callable[[], object]]) -> dict[str, dict[str, Any]]:
    """What each path says, and the hosts it tried to reach."""
    found = {}
    for name, path in paths.items():
        _seen.clear()
        try:
            said = str(path())
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what the path said
            said = f"{type(error).__name__}: {error}"
        found[name] = {"said": said, "hosts": sorted(set(_seen))}
    return found


def set_lock(desk: Any, state: str) -> None:
    """Bring the live lock into a state, the books being in order."""
    from tradegraph_dagster.domain.access.schema import LiveLease

    desk.books.reconciliations.record_reconciliation(SESSION, breaks=0, fingerprint="f")
    if state == "none":
        return
    now = desk.clock.now()
    ago = {"lapsed": timedelta(hours=9), "long lapsed": timedelta(hours=40)}
    start = now - ago.get(state, timedelta(hours=1))
    host = "paper-api.alpaca.markets" if state == "other host" else LIVE_HOST
    lease = LiveLease("us", host, ACCOUNT, "boss", start, start + timedelta(hours=8))
    desk.live_lock.arm(lease, reason="guard")


def trading_paths(desk: Any, desks: Any) -> dict[str, Callable[[], object]]:
    """Whatever sends orders: the asset, the submission behind it, and the broker itself."""
    from tests.support.ledgers import make_order, record_orders
    from tradegraph_dagster.adapters.memory.stopwatch import MemoryStopwatch
    from tradegraph_dagster.domain.markets.schema import Side
    from tradegraph_dagster.domain.orders.schema import OrderIntent
    from tradegraph_dagster.domain.orders.submission import submit_orders
    from tradegraph_dagster.resources.order_desk import submission_ports

    record_orders(desk.books, "us", make_order(symbol="AAPL"), session=SESSION)
    intent = OrderIntent("tg1-x", "dec-x", "us", SESSION, "AAPL", Side.BUY, 1)
    return {
        "orders asset": lambda: run_job(desks, "pre_open", "orders"),
        "submission": lambda: (
            submit_orders(
                desk.books.orders.orders(SESSION),
                replace(submission_ports(desk), stopwatch=MemoryStopwatch()),
                desk.settings.submission_policy,
                deadline=None,
            ).cause
        ),
        "require_armed": desk.require_armed,
        "venue": lambda: desk.broker.venue,
        "submit": lambda: desk.broker._gateway.post("/orders", {}, lambda: None),
        "broker.submit": lambda: desk.broker.submit(intent),
        "broker.cancel": lambda: desk.broker.cancel("tg1-x"),
    }


def reading_paths(desk: Any, desks: Any) -> dict[str, Callable[[], object]]:
    """Whatever asks the account something."""
    return {
        "broker.order": lambda: desk.broker.order("tg1-x"),
        "broker.executions": lambda: desk.broker.executions(SESSION),
        "broker.statement": lambda: desk.broker.statement(SESSION),
        "fills asset": lambda: run_job(desks, "settlement", "fills"),
        "positions asset": lambda: run_job(desks, "settlement", "positions", "breaks"),
    }


def command_paths() -> dict[str, Callable[[], object]]:
    """Commands that trade, settle, stop or look."""
    session = SESSION.isoformat()
    commands = {
        "run": ["run", "-m", "us", "--session", session],
        "status": ["status"],
        "doctor": ["doctor"],
        "live status": ["live", "status"],
        "live arm": [
            *("live", "arm", "-m", "us", "--account", ACCOUNT, "--host", LIVE_HOST),
            *("--reason", "x", "--person", "boss", "--code", "000000"),
        ],
        "reconcile run": ["reconcile", "run", "-m", "us", "--session", session],
        "engage": ["kill-switch", "engage", "-m", "us", "--reason", "x"],
    }
    return {f"tradegraph {name}": _command(command) for name, command in commands.items()}


def _command(command: list[str]) -> Callable[[], object]:
    from tradegraph_dagster.cli.main import app

    return lambda: CliRunner().invoke(app, command).output


def run_job(desks: Any, job: str, *nouns: str) -> str:
    """Run assets of a session, and say what failed."""
    import dagster as dg

    from tests.support.deployment import failures
    from tradegraph_dagster.definitions import build_definitions
    from tradegraph_dagster.jobs import job_name

    definitions = build_definitions(desks.settings, desks)
    with dg.DagsterInstance.ephemeral() as instance:
        result = definitions.resolve_job_def(job_name("us", job)).execute_in_process(
            instance=instance,
            partition_key=SESSION.isoformat(),
            asset_selection=[dg.AssetKey(["us", noun]) for noun in nouns],
            raise_on_error=False,
        )
    return "succeeded" if result.success else failures(result)


def main() -> None:
    """Walk all paths once a line of input."""
    for name in LOADED:
        importlib.import_module(name)
    for line in sys.stdin:
        walker = multiprocessing.get_context("fork").Process(
            target=walk_all, kwargs=json.loads(line)
        )
        walker.start()
        walker.join()
        if walker.exitcode:
            raise SystemExit(f"a walk ended with {walker.exitcode}: {line}")


def walk_all(lock: str, environment: dict[str, str]) -> None:
    """Walk all paths with the lock in one state, and print what was found."""
    from tradegraph_dagster.resources.desk import Desks
    from tradegraph_dagster.settings import load_settings, prepare_process

    os.environ.update(environment)  # noqa: TID251 - it is this process's own
    settings = load_settings()
    prepare_process(settings)
    desks = Desks(settings)
    desk = desks["us"]
    set_lock(desk, lock)
    sys.addaudithook(guard)
    paths = trading_paths(desk, desks) | reading_paths(desk, desks)
    # Last, for one of them engages the kill switch.
    sys.stdout.write(json.dumps(walk(paths | command_paths())) + "\n")


if __name__ == "__main__":
    main()
