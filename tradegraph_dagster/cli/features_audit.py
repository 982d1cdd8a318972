"""`tradegraph features audit`: the proof that no feature reads the future, and nothing after it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any

import typer
from rich.progress import Progress, TaskID

from tradegraph_dagster.cli.options import JsonOption
from tradegraph_dagster.cli.output import (
    console,
    domain_errors,
    errors,
    print_json,
    print_table,
    progress_bar,
)
from tradegraph_dagster.domain.core.causality import CausalityReport
from tradegraph_dagster.domain.core.frames import FrameSchema
from tradegraph_dagster.domain.features.schema import FeatureSet

Advance = Callable[[int, int], None]

# Generated instruments have symbols and price limits of this market.
MARKET = "cn"


@dataclass(frozen=True)
class Audited:
    """One line of the table.

    Attributes:
        report: What the audit did and found.
        columns: Columns of the table that was audited.
        first_rows: Feature -> its first row with a value on clean bars; None for never.
    """

    report: CausalityReport
    columns: int
    first_rows: Mapping[str, int | None] = field(default_factory=dict)


def audit(
    feature_set: Annotated[
        str | None, typer.Option("--set", help="One set. All, labels and strategies when absent.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Does any value change when only its future does? Exit status 1 where one does."""
    audited = []
    with domain_errors(), progress_bar() as progress:
        for name, run in _audits(feature_set):
            task = progress.add_task(name, total=None)
            audited.append(run(partial(_show, progress, task)))
            progress.update(task, total=1, completed=1)
    if as_json:
        print_json([_plain(one) for one in audited])
    else:
        print_table("Causality", [_row(one) for one in audited])
        if feature_set:
            print_table("Checks", [row for one in audited for row in _check_rows(one)])
        for one in audited:
            firsts = {finding.check: finding for finding in reversed(one.report.findings)}
            for finding in firsts.values():
                errors.print(str(finding), markup=False, highlight=False, soft_wrap=True)
        moved = sum(len(one.report.findings) for one in audited)
        for one in audited:
            if not one.report.values:
                errors.print(f"{one.report.subject}: nothing was compared", markup=False)
        compared = sum(one.report.values for one in audited)
        console.print(f"{compared:,} values compared, {moved} findings")
    raise typer.Exit(0 if all(one.report.passed for one in audited) else 1)


def _audits(name: str | None) -> Iterator[tuple[str, Callable[[Advance], Audited]]]:
    """Name of each subject and what audits it."""
    from tradegraph_dagster.domain.features.catalogue import feature_set_names, load_feature_set

    versions: set[str] = set()
    for each in [name] if name else feature_set_names():
        feature_set = load_feature_set(each)
        if feature_set.version not in versions:
            versions.add(feature_set.version)
            yield each, _set_audit(feature_set)
    if name is None:
        yield from _later_audits()


def _set_audit(feature_set: FeatureSet) -> Callable[[Advance], Audited]:
    def run(advance: Advance) -> Audited:
        from tradegraph_dagster.domain.features.causality import audit_feature_set

        report = audit_feature_set(feature_set, advance=advance)
        return Audited(report, len(feature_set.definitions), report.first_rows)

    return run


def _later_audits() -> Iterator[tuple[str, Callable[[Advance], Audited]]]:
    """The universe, the labels of each configured horizon, and every strategy."""
    import tradegraph_dagster.domain.signals.strategies as strategies
    from tradegraph_dagster.domain.core.catalogue import entry_names, load_entry
    from tradegraph_dagster.domain.datasets.causality import audit_labels, audit_universe
    from tradegraph_dagster.domain.markets.catalogue import load_market
    from tradegraph_dagster.domain.signals.causality import audit_strategy
    from tradegraph_dagster.domain.signals.schema import TARGET_WEIGHTS
    from tradegraph_dagster.domain.universe.schema import UNIVERSE
    from tradegraph_dagster.settings import load_settings

    yield UNIVERSE.name, _table_audit(UNIVERSE, audit_universe)
    markets = load_settings().markets.values()
    spans = {span.horizon: span for market in markets for span in market.label_spans}
    for _, span in sorted(spans.items()):
        run = partial(audit_labels, span, load_market(MARKET))
        yield span.table.name, _table_audit(span.table, run)
    for each in entry_names(strategies):
        strategy = load_entry(strategies, each, "STRATEGY")
        yield each, _table_audit(TARGET_WEIGHTS, partial(audit_strategy, strategy))


def _table_audit(
    table: FrameSchema, run: Callable[[], CausalityReport]
) -> Callable[[Advance], Audited]:
    return lambda _: Audited(run(), len(table.columns) - len(table.key))


def _show(progress: Progress, task: TaskID, done: int, total: int) -> None:
    progress.update(task, completed=done, total=total)


def _row(audited: Audited) -> dict[str, Any]:
    rows = [row for row in audited.first_rows.values() if row is not None]
    compared = audited.report.compared
    failed = Counter(finding.check for finding in audited.report.findings)
    return {
        "audited": audited.report.subject,
        "columns": audited.columns,
        "first_row": f"{min(rows)} to {max(rows)}" if rows else "",
        "values": audited.report.values,
        "passed": len({check for check, count in compared.items() if count} - failed.keys()),
        "failed": ", ".join(f"{name} {count}" for name, count in failed.items()) or "none",
    }


def _check_rows(audited: Audited) -> list[dict[str, Any]]:
    failed = Counter(finding.check for finding in audited.report.findings)
    return [
        {
            "check": check.value,
            "values": compared,
            "passed": audited.columns - failed[check] if compared else 0,
            "failed": failed[check],
        }
        for check, compared in audited.report.compared.items()
    ]


def _plain(audited: Audited) -> dict[str, Any]:
    report = audited.report
    failed = Counter(finding.check for finding in report.findings)
    return {
        "subject": report.subject,
        "columns": audited.columns,
        "passed": report.passed,
        "checks": {
            check.value: {"compared": compared, "failed": failed[check]}
            for check, compared in report.compared.items()
        },
        "findings": [vars(finding) for finding in report.findings],
        "first_rows": audited.first_rows,
    }
