from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.support.make_chain import KEYS, make_checkpoint
from tests.support.traced_world import FEATURE_SET, MONTH, TracedWorld, traced_world
from tests.support.trading_world import make_actions
from tradegraph_dagster.adapters.jsonl.checkpoint_journal import JsonlCheckpointJournal
from tradegraph_dagster.domain.audit.seals import SealedLake
from tradegraph_dagster.domain.audit.trace import Sources, trace_fill
from tradegraph_dagster.domain.audit.trace_tree import Agreement, TraceNode
from tradegraph_dagster.domain.core.errors import ConfigError, CorruptPartition
from tradegraph_dagster.domain.core.frames import FrameSchema
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS, CORPORATE_ACTIONS
from tradegraph_dagster.domain.features.schema import FEATURES
from tradegraph_dagster.domain.market_data.schema import RAW_BARS
from tradegraph_dagster.domain.models.schema import CANDIDATE_MODEL
from tradegraph_dagster.domain.orders.schema import Fill
from tradegraph_dagster.domain.quality.schema import VALIDATED_BARS
from tradegraph_dagster.domain.registry.schema import CHAMPION
from tradegraph_dagster.domain.signals.schema import FORECASTS, TARGET_WEIGHTS
from tradegraph_dagster.resources.chains import AuditChain

PATH = (
    "trace",
    "fill",
    "order",
    "decision",
    "target_weights",
    "forecasts",
    "features",
    "validated_bars",
    "adjusted_bars",
    "raw_bars",
)


@pytest.fixture
def traced(tmp_path: Path) -> Iterator[TracedWorld]:
    with traced_world(tmp_path) as world:
        yield world


def fill_of(traced: TracedWorld, symbol: str = "AAA") -> Fill:
    fills = traced.ledger.books.executions.fills(traced.traded)
    return next(fill for fill in fills if fill.symbol == symbol)


def walk_back(traced: TracedWorld, **changes: Any) -> TraceNode:
    return trace_fill(fill_of(traced).execution_id, replace(traced.sources, **changes))


def only(root: TraceNode, kind: str, name: str | None = None) -> TraceNode:
    (node,) = [one for one in root.walk() if one.kind == kind and name in (None, one.name)]
    return node


def bad(root: TraceNode) -> dict[str, Agreement]:
    sound = (Agreement.MATCH, Agreement.STATED)
    return {
        f"{node.kind} {node.name}": node.agreement
        for node in root.walk()
        if node.agreement not in sound
    }


def tamper(traced: TracedWorld, schema: FrameSchema, change: pl.Expr) -> None:
    """Change the newest partition that the decision rests on, after everything is done."""
    frame = traced.world.ws.store.read(schema, [traced.before])
    traced.world.ws.store.write(schema, traced.before, frame.with_columns(change))


def change_ledger(tmp_path: Path, *statements: str) -> None:
    """What an owner of the database can do."""
    raw = sqlite3.connect(tmp_path / "ledger.db")
    triggers = raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for (name,) in triggers:
        raw.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        assert raw.execute(statement).rowcount > 0, statement
    raw.commit()
    raw.close()


def test_a_fill_is_walked_back_to_what_its_source_said(traced: TracedWorld) -> None:
    root = walk_back(traced)
    assert bad(root) == {}
    assert root.is_sound
    node = root
    for kind in PATH[1:]:
        node = next(one for one in node.made_from if one.kind == kind)
    assert (node.facts["source"], node.facts["known_at"]) == (
        "exchange",
        f"{traced.before} 08:00:00+00:00",
    )


def test_every_gate_and_event_is_told(traced: TracedWorld) -> None:
    root = walk_back(traced)
    fill = fill_of(traced)
    gates = [node for node in root.walk() if node.kind == "gate"]
    said = traced.ledger.books.decisions.gate_results(only(root, "decision").name)
    assert [gate.name for gate in gates] == [
        f"{one.number} {one.gate}" for one in said[fill.client_order_id]
    ]
    assert all(gate.facts["outcome"] == "pass" and len(gate.facts) > 1 for gate in gates)
    events = traced.ledger.books.events.events(fill.client_order_id)
    assert len([node for node in root.walk() if node.kind == "order_event"]) == len(events) > 0


def test_the_model_is_named_with_its_file(traced: TracedWorld) -> None:
    champion = only(walk_back(traced), "champion")
    _, model = traced.registry.fetch("1")
    assert champion.name == "1"
    assert champion.facts["artifact_sha256"] == model.artifact_sha256
    assert champion.facts["feature_set"] == FEATURE_SET.version


def test_every_session_of_the_window_is_told(traced: TracedWorld) -> None:
    bars = [node.name for node in walk_back(traced).walk() if node.kind == "validated_bars"]
    assert bars == [str(day) for day in traced.world.sessions[3:0:-1]]


def test_an_order_id_is_walked_back_with_all_its_fills(traced: TracedWorld) -> None:
    root = trace_fill(fill_of(traced).client_order_id, traced.sources)
    assert root.is_sound
    assert only(root, "fill").name == fill_of(traced).execution_id


def test_the_names_of_two_orders_do_not_mix(traced: TracedWorld) -> None:
    root = trace_fill(fill_of(traced, "BBB").execution_id, traced.sources)
    assert root.is_sound
    assert only(root, "order").facts["symbol"] == "BBB"
    assert "AAA" not in str([node.facts for node in root.walk() if node.kind != "decision"])


def test_an_order_that_filled_twice_shows_both_fills(traced: TracedWorld) -> None:
    fill = fill_of(traced)
    late = replace(fill, execution_id="late", quantity_shares=100)
    traced.ledger.books.executions.record_executions([late], [])
    root = trace_fill(fill.client_order_id, traced.sources)
    assert [node.kind for node in root.made_from] == ["audit_chain", "fill", "fill", "order"]
    assert [node.name for node in root.made_from[1:3]] == [fill.execution_id, "late"]
    assert only(trace_fill("late", traced.sources), "fill").made_from


def test_an_unknown_name_is_refused(traced: TracedWorld) -> None:
    with pytest.raises(ConfigError, match="no execution id and no client order id of plain"):
        trace_fill("nonsense", traced.sources)


@pytest.mark.parametrize(
    ("schema", "change"),
    [
        (RAW_BARS, pl.col("close") + 1),
        (VALIDATED_BARS, pl.col("close") + 1),
        (ADJUSTED_BARS, pl.col("close") + 1),
        (FEATURE_SET.schema, pl.col("nothing") + 1),
        (FORECASTS, pl.col("score") + 1),
        (TARGET_WEIGHTS, pl.col("weight_frac") / 2),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_tampered_partition_is_named(
    traced: TracedWorld, schema: FrameSchema, change: pl.Expr
) -> None:
    tamper(traced, schema, change)
    root = walk_back(traced)
    assert bad(root) == {f"{schema.name} {traced.before}": Agreement.MISMATCH}
    assert not root.is_sound
    (problem, *_) = only(root, schema.name, str(traced.before)).problems
    assert "the audit chain has" in problem


def test_what_the_decision_read_counts_though_the_chain_saw_the_change(
    traced: TracedWorld,
) -> None:
    tamper(traced, TARGET_WEIGHTS, pl.col("weight_frac") / 2)
    traced.seal(traced.before)
    node = only(walk_back(traced), TARGET_WEIGHTS.name)
    assert node.agreement is Agreement.MISMATCH
    assert ["the decision has" in problem for problem in node.problems] == [True]


@pytest.mark.parametrize("table", ["raw_bars", "validated_bars", "forecasts", FEATURES])
def test_a_missing_partition_is_said(traced: TracedWorld, table: str) -> None:
    traced.world.ws.store.remove(table, traced.before)
    root = walk_back(traced)
    node = only(root, table, str(traced.before))
    assert node.agreement is Agreement.MISSING
    assert "is not in the lake" in node.problems[0]
    assert not root.is_sound


def test_a_session_that_was_never_sealed_is_said(traced: TracedWorld, tmp_path: Path) -> None:
    day = traced.world.sessions[2]
    change_ledger(
        tmp_path,
        "DELETE FROM audit_entries WHERE event = 'checkpoint' "
        f'AND details LIKE \'%"session":"{day}"%\'',
    )
    found = bad(walk_back(traced))
    assert found == {
        "audit_chain whole": Agreement.MISMATCH,
        f"validated_bars {day}": Agreement.UNSEALED,
        f"adjusted_bars {day}": Agreement.UNSEALED,
        f"raw_bars {day}": Agreement.UNSEALED,
    }


def test_an_event_of_the_name_is_part_of_its_bars(traced: TracedWorld) -> None:
    event = {"symbol": "AAA", "cash_per_share": 0.5}
    day = traced.before
    traced.world.ws.store.write(CORPORATE_ACTIONS, day, make_actions(day, event))
    root = walk_back(traced)
    assert bad(root) == {f"corporate_actions {day}": Agreement.MISMATCH}
    traced.seal(day)
    node = only(walk_back(traced), "corporate_actions")
    assert (node.agreement, node.facts["source"]) == (Agreement.MATCH, "test")


@pytest.mark.parametrize(
    ("statement", "kind", "words"),
    [
        ("UPDATE fills SET price = '1.00'", "fill", "price"),
        ("UPDATE fills SET quantity_shares = 100", "fill", "quantity_shares 100"),
        ("UPDATE decisions SET equity = '7'", "decision", "equity"),
        ("UPDATE fills SET fee = '1E+1'", "fill", "fee"),
        ("UPDATE decisions SET inputs_fingerprint = 'x'", "decision", "inputs_fingerprint"),
        (
            "UPDATE decisions SET payload = replace(payload, '\"held_shares\":0', "
            "'\"held_shares\":7')",
            "decision",
            "decision_fingerprint",
        ),
        (
            "UPDATE gate_results SET results = replace(results, 'pass', 'fail')",
            "decision",
            "gates_fingerprint",
        ),
        ("UPDATE orders SET quantity_shares = quantity_shares + 100", "decision", "quantity"),
    ],
)
def test_a_tampered_ledger_is_named(
    traced: TracedWorld, tmp_path: Path, statement: str, kind: str, words: str
) -> None:
    change_ledger(tmp_path, statement)
    root = walk_back(traced)
    assert [name.split()[0] for name in bad(root)] == [kind]
    assert words in only(root, kind).problems[0]


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ("executions_recorded", "fill"),
        ("order_submitting", "order"),
        ("decision_recorded", "decision"),
    ],
)
def test_an_act_without_its_entry_is_named(
    traced: TracedWorld, tmp_path: Path, event: str, kind: str
) -> None:
    change_ledger(tmp_path, f"DELETE FROM audit_entries WHERE event = '{event}'")
    root = walk_back(traced)
    assert {name.split()[0] for name in bad(root)} == {"audit_chain", kind}
    assert "has no entry of it" in only(root, kind).problems[0]


def test_a_damaged_entry_is_read_as_far_as_it_can_be(traced: TracedWorld, tmp_path: Path) -> None:
    change_ledger(
        tmp_path, "UPDATE audit_entries SET details = 'x' || details WHERE event LIKE '%_recorded'"
    )
    root = walk_back(traced)
    assert {name.split()[0] for name in bad(root)} == {"audit_chain", "fill", "decision"}


def test_a_fill_of_an_unknown_order_ends_there(traced: TracedWorld, tmp_path: Path) -> None:
    name = fill_of(traced).execution_id
    change_ledger(
        tmp_path, f"UPDATE fills SET client_order_id = 'theirs' WHERE execution_id = '{name}'"
    )
    root = walk_back(traced)
    assert only(root, "order").agreement is Agreement.MISSING
    assert "came from elsewhere" in only(root, "order").problems[0]


def test_an_order_without_its_decision_ends_there(traced: TracedWorld, tmp_path: Path) -> None:
    change_ledger(tmp_path, "DELETE FROM decisions")
    assert only(walk_back(traced), "decision").agreement is Agreement.MISSING


def test_an_order_no_gate_spoke_of_is_named(traced: TracedWorld, tmp_path: Path) -> None:
    change_ledger(tmp_path, "DELETE FROM gate_results")
    assert only(walk_back(traced), "gate").agreement is Agreement.MISSING


def test_another_model_file_is_named(traced: TracedWorld) -> None:
    path, _ = traced.registry.fetch("1")
    path.write_text("another model")
    champion = only(walk_back(traced), "champion")
    assert champion.agreement is Agreement.MISMATCH
    assert "SHA-256" in champion.problems[0]


def test_a_training_record_that_is_gone_or_other_is_named(traced: TracedWorld) -> None:
    store = traced.world.ws.store
    row = store.read(CANDIDATE_MODEL, [MONTH])
    store.write(CANDIDATE_MODEL, MONTH, row.with_columns(artifact_sha256=pl.lit("other")))
    assert "its training wrote other" in only(walk_back(traced), "champion").problems[0]
    store.remove(CANDIDATE_MODEL.name, MONTH)
    assert "is not in the lake" in only(walk_back(traced), "champion").problems[0]


def test_a_forecast_of_another_model_is_named(traced: TracedWorld) -> None:
    tamper(traced, FORECASTS, pl.lit("2").alias("model_version"))
    assert "names version 2" in only(walk_back(traced), "champion").problems[0]


def test_no_champion_is_said(traced: TracedWorld) -> None:
    traced.world.ws.store.remove(CHAMPION.name, MONTH)
    assert only(walk_back(traced), "champion").agreement is Agreement.MISSING


def test_other_features_than_the_model_reads_are_named(traced: TracedWorld) -> None:
    other = replace(FEATURE_SET, definitions={"nothing": "1"})
    research = replace(traced.sources.research, feature_set=other)
    node = only(walk_back(traced, research=research), FEATURES)
    assert node.agreement is Agreement.MISMATCH
    assert any("the model reads" in problem for problem in node.problems)


def test_a_name_without_weight_features_or_forecast_says_so(traced: TracedWorld) -> None:
    for schema in (TARGET_WEIGHTS, FEATURE_SET.schema, FORECASTS):
        frame = traced.world.ws.store.read(schema, [traced.before])
        rest = frame.filter(pl.col("symbol") != "AAA")
        traced.world.ws.store.write(schema, traced.before, rest)
    root = walk_back(traced)
    assert only(root, "target_weights").facts["weight_frac"] == "0, the name leaves"
    assert only(root, "forecasts").facts["row"] == "none"
    assert only(root, FEATURES).facts["row"] == "none"


def test_a_chain_shorter_than_its_checkpoints_is_named(traced: TracedWorld, tmp_path: Path) -> None:
    seen = make_checkpoint(list(traced.ledger.audit.entries()))
    change_ledger(tmp_path, "DELETE FROM audit_entries WHERE seq = 19 OR seq = 18")
    root = walk_back(traced, checkpoints=[seen])
    assert "truncated" in only(root, "audit_chain").problems[0]


def test_a_file_that_is_not_what_it_says_or_cannot_be_read_is_named(
    traced: TracedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, day = traced.world.ws.store, traced.before
    lake = SealedLake(store, "AAA", sealed={}, used={})
    monkeypatch.setattr(store, "fingerprint", lambda table, partition: "of before")
    node, _ = lake.node(FORECASTS, day)
    assert "the file says of before" in node.problems[0]

    def refuse(schema: FrameSchema, partitions: object) -> pl.DataFrame:
        raise CorruptPartition("cannot be read", table=schema.name)

    monkeypatch.setattr(store, "read", refuse)
    node, rows = lake.node(FORECASTS, day)
    assert (node.agreement, rows.height) == (Agreement.MISMATCH, 0)


def test_sources_show_no_key(traced: TracedWorld) -> None:
    sources: Sources = traced.sources
    assert "kkkk" not in repr(sources)


def test_a_filled_order_whose_sending_nobody_wrote_down_is_found(
    traced: TracedWorld, tmp_path: Path
) -> None:
    chain = AuditChain(
        name="plain",
        audit=traced.ledger.audit,
        journal=JsonlCheckpointJournal(tmp_path / "plain.jsonl"),
        keys=KEYS,
        clock=traced.world.clock,
        executions=traced.ledger.books.executions,
    )
    assert chain.unwritten() == ()
    change_ledger(tmp_path, "DELETE FROM audit_entries WHERE event = 'order_submitting'")
    fills = traced.ledger.books.executions.fills(traced.traded)
    assert chain.unwritten() == tuple(sorted(fill.client_order_id for fill in fills))
    assert replace(chain, executions=None).unwritten() == ()
