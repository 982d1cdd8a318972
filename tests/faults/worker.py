"""Runs cases one after another, each in processes of its own, beside a local Alpaca of its own.

`python -m tests.faults.worker FIRST LAST STEP LEDGER` prints one line of JSON a run. This process
starts no thread and uses no library that does: it forks, and what it forks is killed.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tests.faults.cases import Case, Window, seed_to_case
from tests.faults.ledger_home import LedgerHome
from tests.faults.places import DURING, HOMES, MARKET, SESSION, SYMBOLS, copy_template
from tests.faults.trading_process import Ledgers, ProcessPlan, open_ledgers, trade, warm_up
from tests.faults.verdict import Verdict, judge_run
from tradegraph_dagster.adapters.fake_alpaca.control import AccountControl, over_http
from tradegraph_dagster.adapters.fake_alpaca.faults import apply_fault
from tradegraph_dagster.domain.markets.catalogue import load_market

ATTEMPTS = 30
HUNG_AFTER_S = 30.0
_POLL_S = 0.002
_SENDING = frozenset(Window) - {Window.IN_RECONCILIATION}


def run_case(case: Case, folder: Path, url: str, ledgers: Ledgers) -> Verdict:
    """One session with one fault and one crash, and what it came to."""
    perform = over_http(url)
    account = AccountControl(f"K{case.seed}", perform)
    account.do("open_account", cash="100000", seed=case.seed, settings={"rate_per_minute": None})
    run = _Run(case, folder, account, url, ledgers)
    try:
        return run.to_verdict()
    except Exception as error:  # noqa: BLE001 - a run that cannot be judged counts as lost
        traceback.print_exc()
        return Verdict(lost=(f"{type(error).__name__}: {error}",))
    finally:
        run.end()
        account.do("forget")


class _Run:
    def __init__(
        self, case: Case, folder: Path, account: AccountControl, url: str, ledgers: Ledgers
    ) -> None:
        self._case = case
        self._ledgers = ledgers
        self._folder = folder
        self._account = account
        self._url = account.own_door() if case.fault == 1 else url
        self._began = time.monotonic()
        self._running: int | None = None
        self._stopped: int | None = None
        self._has_crashed = False

    def to_verdict(self) -> Verdict:
        case, account = self._case, self._account
        account.set_clock(DURING)
        for symbol in SYMBOLS:
            account.quote(symbol, "99.9", "100", 8 if symbol == "MSFT" else None)
        if case.is_brokers:
            apply_fault(account, case.fault, case.seed, target=case.target, nth=case.nth_call)
        stuck = self._phase(is_after_close=False)
        if not case.is_late:
            self._wake()
        account.close_session(SESSION)
        stuck = stuck or self._phase(is_after_close=True)
        self._wake()
        has_struck = self._has_struck()
        # What was still to come, or held back, may change the books once more.
        if case.may_report or (case.is_brokers and not has_struck):
            account.heal()
            account.do("release")
            stuck = stuck or self._until_done(is_after_close=True, first=2)
        if stuck:
            return Verdict(lost=(stuck,))
        ledger = self._ledgers.ledger
        verdict = judge_run(ledger, account.book(), may_report=case.may_report)
        return replace(verdict, has_crashed=self._has_crashed, has_struck=has_struck)

    def end(self) -> None:
        """Leave no process behind, and no connection for the next ones to inherit."""
        for pid in (self._running, self._stopped):
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
        self._running = self._stopped = None
        self._ledgers.ledger.engine.dispose()

    def _has_struck(self) -> bool:
        """Whether the fault was met; a process that ends before it may leave it waiting."""
        if self._case.is_brokers:
            return not self._account.book()["unspent"]
        if self._case.fault in (20, 24):
            return (self._folder / "struck").exists()
        return self._has_crashed

    def _phase(self, *, is_after_close: bool) -> str:
        """All processes of a part of the session; in words why it never ended, or nothing."""
        is_its = is_after_close == (self._case.window not in _SENDING)
        return self._until_done(is_after_close=is_after_close, first=1 if is_its else 2)

    def _until_done(self, *, is_after_close: bool, first: int) -> str:
        for number in range(first, first + ATTEMPTS):
            status = self._process(number, is_after_close=is_after_close)
            if status == 0:
                return ""
        return f"no end after {ATTEMPTS} processes: {self._last_words()}"

    def _process(self, number: int, *, is_after_close: bool) -> int:
        """Start one and wait for its end; 0 where it went through, and 1 for every other end."""
        plan = ProcessPlan(
            self._case,
            self._folder,
            self._url,
            self._account.key_id,
            number,
            is_after_close,
            self._began,
        )
        holds = number == 1 and self._case.window is Window.BEFORE_ANSWER and self._case.fault != 21
        if holds:
            self._account.script(
                {
                    "method": "POST",
                    "path": "/v2/orders",
                    "nth": self._case.nth_order,
                    "hold_after": True,
                }
            )
        pid = self._running = _fork(lambda: trade(plan, self._ledgers))
        if number == 1 and self._case.fault == 21:
            time.sleep(self._case.delay)
            os.kill(pid, signal.SIGKILL)
        elif holds:
            self._end_while_it_waits(pid)
        return self._wait(pid)

    def _end_while_it_waits(self, pid: int) -> None:
        count = self._case.nth_order
        self._account.wait_for("POST", "/v2/orders", count=count, stage="effect_at", timeout_s=0.3)
        os.kill(pid, signal.SIGSTOP if self._case.fault == 22 else signal.SIGKILL)

    def _wait(self, pid: int) -> int:
        until = time.monotonic() + HUNG_AFTER_S
        while time.monotonic() < until:
            found, status = os.waitpid(pid, os.WNOHANG | os.WUNTRACED)
            if not found:
                time.sleep(_POLL_S)
                continue
            self._running = None
            if os.WIFSTOPPED(status):
                self._stopped = pid
                self._has_crashed = True
                return 1
            self._has_crashed = self._has_crashed or os.WIFSIGNALED(status)
            return int(not os.WIFEXITED(status) or os.WEXITSTATUS(status) != 0)
        raise RuntimeError(f"seed {self._case.seed}: a process hung: {self._last_words()}")

    def _wake(self) -> None:
        """Let the process that was stopped go on, and end."""
        if self._stopped is not None:
            self._running, self._stopped = self._stopped, None
            os.kill(self._running, signal.SIGCONT)
            self._wait(self._running)

    def _last_words(self) -> str:
        log = self._folder / "log"
        return log.read_text().splitlines()[-1] if log.exists() else "no error"


def _fork(work: Callable[[], int]) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        status = work()
    except Exception:  # noqa: BLE001 - whatever it was, the parent goes on with its own stack
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)


def main(seeds: range, ledger: str) -> None:
    """Run these seeds, with a ledger of this kind."""
    # Asked to end, it takes its servers and its places along.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    load_market(MARKET)
    root = Path(tempfile.mkdtemp(prefix="tradegraph-faults-", dir=_memory_folder()))
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.server", str(root), ledger],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        url, ledger_url = (server.stdout.readline().strip() for _ in range(2))
        _run_cases(seeds, root, url, HOMES[ledger](ledger_url))
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        server.stdin.close()
        server.wait()
        shutil.rmtree(root, ignore_errors=True)


def _run_cases(seeds: range, root: Path, url: str, home: LedgerHome) -> None:
    folder, ledgers = root / "run", open_ledgers(home)
    _make_place(root, folder, home)
    warm_up(ledgers)
    # What is here now stays as it is in every process that is forked off.
    gc.freeze()
    gc.disable()
    for seed in seeds:
        _make_place(root, folder, home)
        began = time.monotonic()
        verdict = run_case(seed_to_case(seed), folder, url, ledgers)
        said: dict[str, Any] = {"seed": seed, "seconds": time.monotonic() - began}
        sys.stdout.write(f"{json.dumps(said | asdict(verdict))}\n")
        sys.stdout.flush()


def _make_place(root: Path, folder: Path, home: LedgerHome) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    copy_template(root / "template", folder)
    home.renew()


def _memory_folder() -> str | None:
    """Where the machine keeps files in memory: nothing here has to survive the machine."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


if __name__ == "__main__":
    main(range(*map(int, sys.argv[1:4])), sys.argv[4])
