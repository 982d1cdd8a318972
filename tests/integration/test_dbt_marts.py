"""The marts on a small lake, built by Dagster; on one that breaks every invariant; on none."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import product
from pathlib import Path

import dagster as dg
import duckdb
import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr

from tests.support.make_bars import weekdays
from tests.support.make_lake import (
    LABELS_1,
    SYMBOLS,
    make_trading_tables,
    write_market,
    write_model_tables,
    write_table,
    write_trading_tables,
)
from tests.support.older_lake import write_older_market
from tradegraph_dagster.adapters.parquet.frame_store import ParquetFrameStore
from tradegraph_dagster.domain.core.errors import ConfigError
from tradegraph_dagster.domain.core.frames import FrameSchema
from tradegraph_dagster.domain.models.ic import session_ics
from tradegraph_dagster.domain.models.schema import CANDIDATE_MODEL
from tradegraph_dagster.domain.monitoring.schema import DRIFT_REPORT
from tradegraph_dagster.domain.orders.schema import FILLS
from tradegraph_dagster.domain.performance.schema import DAILY_PNL, STRATEGY_PNL
from tradegraph_dagster.domain.reconciliation.schema import BREAKS, POSITIONS
from tradegraph_dagster.domain.signals.schema import FORECASTS, TARGET_WEIGHTS

ROOT = Path(__file__).resolve().parents[2]
DBT = ROOT / "dbt"
SESSIONS = weekdays(14, date(2024, 1, 22))
LONG = weekdays(70, date(2024, 1, 1))
INVARIANTS = {path.stem for path in (DBT / "tests").glob("*.sql")}


@pytest.fixture(scope="module")
def environment() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def manifest() -> Path:
    path = DBT / "target" / "manifest.json"
    if not path.exists():
        subprocess.run([sys.executable, str(ROOT / "scripts" / "prepare_dbt.py")], check=True)
    return path


@pytest.fixture(scope="module")
def built(
    tmp_path_factory: pytest.TempPathFactory, environment: pytest.MonkeyPatch, manifest: Path
) -> tuple[Path, dg.ExecuteInProcessResult]:
    """A market with a full lake and one with two tables; built as the code location does."""
    from tradegraph_dagster.reporting import build_reporting
    from tradegraph_dagster.settings import Settings, dbt_environment

    root = tmp_path_factory.mktemp("full")
    settings = Settings(environment="demo", data_dir=str(root), markets={})
    write_market(settings.lake_dir, "us", SESSIONS)
    for schema, frame in make_trading_tables(LONG, seed=1):
        if schema in (DAILY_PNL, POSITIONS):
            write_table(settings.lake_dir, "cn", schema, frame, LONG)
    for name, value in dbt_environment(settings).items():
        environment.setenv(name, value)
    definitions = build_reporting(settings)
    result = definitions.resolve_job_def("marts_job").execute_in_process(
        instance=dg.DagsterInstance.ephemeral()
    )
    return root, result


def _mart(root: Path, name: str, market: str = "us") -> pl.DataFrame:
    with duckdb.connect(str(root / "marts.duckdb"), read_only=True) as connection:
        rows: pl.DataFrame = connection.sql(f"select * from {name} order by 1, 2").pl()
    return rows.filter(pl.col("market") == market)


def _read(
    root: Path, schema: FrameSchema, sessions: Sequence[date] = SESSIONS, *, market: str = "us"
) -> pl.DataFrame:
    return ParquetFrameStore(root / "lake" / market).read(schema, sessions)


def _dbt(root: Path, *arguments: str) -> dict[str, str]:
    """Run dbt on a lake and return node name -> status."""
    completed = subprocess.run(
        [
            str(Path(sys.executable).with_name("dbt")),
            "--quiet",
            *arguments,
            *("--project-dir", str(DBT), "--profiles-dir", str(DBT)),
            *("--target-path", str(root / "target"), "--log-path", str(root / "logs")),
        ],
        cwd=DBT,
        check=False,
        capture_output=True,
        text=True,
        env={
            "PATH": str(Path(sys.executable).parent),
            "HOME": str(root),
            "DO_NOT_TRACK": "1",
            "TRADEGRAPH_LAKE": str(root / "lake"),
            "TRADEGRAPH_MARTS": str(root / "marts.duckdb"),
        },
    )
    report = root / "target" / "run_results.json"
    assert report.exists(), completed.stdout + completed.stderr
    results = json.loads(report.read_text(encoding="utf-8"))["results"]
    return {entry["unique_id"].split(".")[2]: entry["status"] for entry in results}


def test_performance_compounds_and_draws_down(
    built: tuple[Path, dg.ExecuteInProcessResult],
) -> None:
    root, _ = built
    mart = _mart(root, "performance", "cn")
    book = _read(root, DAILY_PNL, LONG, market="cn")
    growth = np.cumprod(1 + book["return_frac"].to_numpy())
    peak = np.maximum(np.maximum.accumulate(growth), 1.0)
    benchmark = np.cumprod(1 + book["benchmark_return_frac"].to_numpy())
    np.testing.assert_allclose(mart["cumulative_return_frac"], growth - 1, atol=1e-12)
    np.testing.assert_allclose(mart["drawdown_frac"], 1 - growth / peak, atol=1e-12)
    np.testing.assert_allclose(mart["drawdown_frac"], book["drawdown_frac"], atol=1e-12)
    np.testing.assert_allclose(mart["benchmark_cumulative_return_frac"], benchmark - 1, atol=1e-12)
    last = book["return_frac"].to_numpy()[-63:]
    assert mart["return_21_frac"].null_count() == 20
    assert mart["sharpe_63"].null_count() == 62
    assert mart["sharpe_63"][-1] == pytest.approx(last.mean() / last.std(ddof=1) * 252**0.5)


def test_signal_sessions_equal_scipy_and_the_domain(
    built: tuple[Path, dg.ExecuteInProcessResult],
) -> None:
    root, _ = built
    mart = _mart(root, "signal_sessions")
    pairs = _read(root, FORECASTS).join(
        _read(root, LABELS_1, SESSIONS[:-2]).drop_nulls("label"), on=["session", "symbol"]
    )
    assert mart["session"].to_list() == list(SESSIONS[:-2])
    domain = session_ics(_read(root, FORECASTS), _read(root, LABELS_1, SESSIONS[:-2]))
    joined = mart.join(domain, on="session", suffix="_domain")
    for column in ("names", "ic", "rank_ic"):
        np.testing.assert_allclose(joined[column], joined[f"{column}_domain"], rtol=1e-9)
    for row in mart.iter_rows(named=True):
        part = pairs.filter(pl.col("session") == row["session"])
        assert row["names"] == part.height
        assert row["rank_ic"] == pytest.approx(spearmanr(part["score"], part["label"])[0])
        assert row["ic"] == pytest.approx(np.corrcoef(part["score"], part["label"])[0, 1])


def test_signal_quality_has_the_standard_error_of_the_mean(
    built: tuple[Path, dg.ExecuteInProcessResult],
) -> None:
    root, _ = built
    quality = _mart(root, "signal_quality")
    assert set(quality["origin"]) == {"forecasts", "candidate", "champion"}
    january = quality.row(
        by_predicate=(pl.col("origin") == "forecasts") & (pl.col("month") == date(2024, 1, 1)),
        named=True,
    )
    sessions = _mart(root, "signal_sessions").filter(pl.col("session") < date(2024, 2, 1))
    values = sessions["rank_ic"].to_numpy()
    assert january["sessions"] == len(values)
    assert january["rank_ic_mean"] == pytest.approx(values.mean())
    assert january["rank_ic_se"] == pytest.approx(values.std(ddof=1) / len(values) ** 0.5)


def test_exposure_measures_concentration(built: tuple[Path, dg.ExecuteInProcessResult]) -> None:
    root, _ = built
    last = _mart(root, "exposure").row(-1, named=True)
    values = _read(root, POSITIONS, SESSIONS[-1:])["market_value"].to_numpy()
    book = _read(root, DAILY_PNL, SESSIONS[-1:]).row(0, named=True)
    assert last["names"] == 3
    assert last["gross_exposure_frac"] == pytest.approx(book["gross_exposure_frac"])
    assert last["largest_position_frac"] == pytest.approx(book["largest_position_frac"])
    assert last["concentration_hhi"] == pytest.approx(((values / values.sum()) ** 2).sum())


def test_coverage_tells_what_was_withheld_and_why(
    built: tuple[Path, dg.ExecuteInProcessResult],
) -> None:
    root, _ = built
    rows = _mart(root, "data_coverage")
    assert rows["is_validated"].to_list() == [True] * 13 + [False]
    assert rows["bars"].unique().to_list() == [len(SYMBOLS)]
    first, third, last = rows.row(0, named=True), rows.row(2, named=True), rows.row(-1, named=True)
    assert (first["quarantined_bars"], first["quarantine_findings"]) == (1, 1)
    assert (first["warn_findings"], first["validated_bars"]) == (1, len(SYMBOLS) - 1)
    assert third["suspended_bars"] == 1
    assert last["block_findings"] == 1


def test_profit_by_symbol_is_the_accounts(built: tuple[Path, dg.ExecuteInProcessResult]) -> None:
    root, _ = built
    mart = _mart(root, "pnl_by_symbol")
    book = _read(root, DAILY_PNL)
    by_session = mart.group_by("session", maintain_order=True).agg(
        pl.col("pnl", "net_exposure_frac").sum(), pl.col("contribution_frac").sum()
    )
    np.testing.assert_allclose(by_session["pnl"], book["pnl"], atol=0.01)
    np.testing.assert_allclose(by_session["net_exposure_frac"], book["gross_exposure_frac"])
    np.testing.assert_allclose(by_session["contribution_frac"], book["return_frac"], atol=1e-9)
    assert (mart["given_back"] >= 0).all()


def test_denials_are_counted_by_gate(built: tuple[Path, dg.ExecuteInProcessResult]) -> None:
    root, _ = built
    mart = _mart(root, "gate_denials")
    first = mart.filter(session=SESSIONS[0]).sort("number").rows(named=True)
    assert [(row["gate"], row["orders"], row["failed"]) for row in first] == [
        ("live_lock", 3, 0),
        ("fat_finger", 3, 3),
    ]
    assert (first[0]["example"], first[1]["example"]) == (None, "too many shares")
    assert first[1]["denied_frac"] == 1.0


def test_execution_and_models_are_told(built: tuple[Path, dg.ExecuteInProcessResult]) -> None:
    root, _ = built
    execution = _mart(root, "execution")
    assert execution["fills"].sum() == _read(root, FILLS).height
    assert execution["filled_frac"].unique().to_list() == [1.0]
    history = _mart(root, "model_history").row(0, named=True)
    assert (history["is_promoted"], history["candidate_rank_ic_se"]) == (True, 0.02)


def test_a_month_is_as_drifted_as_its_worst_report_as_a_whole(
    built: tuple[Path, dg.ExecuteInProcessResult],
) -> None:
    root, _ = built
    month = SESSIONS[0].replace(day=1)
    reports = _read(root, DRIFT_REPORT, [day for day in SESSIONS if day.month == month.month])
    assert "red" in reports.filter(kind="feature")["level"].to_list()
    assert set(reports.filter(kind="overall")["level"]) == {"green", "yellow"}
    history = _mart(root, "model_history").row(0, named=True)
    assert (history["month"], history["worst_drift_level"]) == (month, "yellow")


def test_dbt_tests_are_asset_checks(built: tuple[Path, dg.ExecuteInProcessResult]) -> None:
    _, result = built
    assert result.success
    evaluations = {each.check_name: each.passed for each in result.get_asset_check_evaluations()}
    assert all(evaluations.values())
    assert set(evaluations) > INVARIANTS
    made = {event.asset_key for event in result.get_asset_materialization_events()}
    assert dg.AssetKey(["marts", "performance"]) in made


def test_lineage_joins_the_trading_assets(
    built: tuple[Path, dg.ExecuteInProcessResult], tmp_path: Path
) -> None:
    from tradegraph_dagster.reporting import build_reporting
    from tradegraph_dagster.settings import Settings

    settings = Settings(environment="demo", data_dir=str(tmp_path), markets={})
    graph = build_reporting(settings).resolve_asset_graph()
    staging = graph.get(dg.AssetKey(["marts", "stg_daily_pnl"]))
    assert staging.parent_keys == {
        dg.AssetKey(["us", "daily_pnl"]),
        dg.AssetKey(["cn", "daily_pnl"]),
    }
    assert {graph.get(key).group_name for key in graph.materializable_asset_keys} == {"marts"}
    assert staging.pools == {"duckdb"}
    assert staging.automation_condition is not None


def test_forecasts_are_measured_by_the_labels_that_models_learn(
    built: tuple[Path, dg.ExecuteInProcessResult], tmp_path: Path
) -> None:
    from tradegraph_dagster.reporting import build_reporting, dbt_variables
    from tradegraph_dagster.settings import load_settings

    weekly = {"markets.cn.training.split.horizon_sessions": 5}
    settings = load_settings("demo", {"data_dir": str(tmp_path), **weekly})
    staging = dg.AssetKey(["marts", "stg_labels"])
    assert build_reporting(settings).resolve_asset_graph().get(staging).parent_keys == {
        dg.AssetKey(["us", "labels_1"]),
        dg.AssetKey(["cn", "labels_5"]),
    }
    assert dbt_variables(settings)["label_horizon_by_market"] == {"us": 1, "cn": 5}
    lake = tmp_path / "lake"
    write_market(lake, "us", SESSIONS)
    write_market(lake, "cn", SESSIONS)
    shutil.move(lake / "cn" / "labels_1", lake / "cn" / "labels_5")
    month = SESSIONS[0].replace(day=1)
    candidate = ParquetFrameStore(lake / "us").read(CANDIDATE_MODEL, [month])
    learned = candidate.with_columns(horizon_sessions=pl.lit(5, pl.Int32))
    write_table(lake, "us", CANDIDATE_MODEL, learned, [month])
    variables = json.dumps(dbt_variables(settings))
    _dbt(tmp_path, "build", "--select", "+signal_quality", "--vars", variables)
    measured = {name: _mart(tmp_path, "signal_sessions", name).height for name in ("us", "cn")}
    assert measured == {"us": len(SESSIONS) - 2, "cn": len(SESSIONS) - 2}
    errors = ("ic_se", "rank_ic_se", "rank_ic_t")
    # In one market forecasts are measured over a week now, in the other a candidate learned weeks.
    for market, origins in (("us", {"candidate", "champion"}), ("cn", {"forecasts"})):
        quality = _mart(tmp_path, "signal_quality", market).filter(month=month)
        assert quality["rank_ic_mean"].null_count() == 0
        known = quality.filter(pl.all_horizontal(pl.col(*errors).is_not_null()))
        unknown = quality.filter(pl.all_horizontal(pl.col(*errors).is_null()))
        assert set(unknown["origin"]) == origins
        assert set(known["origin"]) == {"forecasts", "candidate", "champion"} - origins


def test_marts_follow_an_updated_table(
    built: tuple[Path, dg.ExecuteInProcessResult], tmp_path: Path
) -> None:
    from tradegraph_dagster.reporting import build_reporting
    from tradegraph_dagster.settings import Settings

    days = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-01-05")

    @dg.asset(key=["us", "daily_pnl"], partitions_def=days)
    def daily_pnl() -> None: ...

    reporting = build_reporting(Settings(environment="demo", data_dir=str(tmp_path), markets={}))
    definitions = dg.Definitions.merge(reporting, dg.Definitions(assets=[daily_pnl]))
    instance = dg.DagsterInstance.ephemeral()
    before = dg.evaluate_automation_conditions(defs=definitions, instance=instance)
    assert before.total_requested == 0
    dg.materialize([daily_pnl], partition_key="2024-01-02", instance=instance)
    after = dg.evaluate_automation_conditions(
        defs=definitions, instance=instance, cursor=before.cursor
    )
    performance = dg.AssetKey(["marts", "performance"])
    assert after.get_num_requested(performance) == 1
    again = dg.evaluate_automation_conditions(
        defs=definitions, instance=instance, cursor=after.cursor
    )
    assert again.get_num_requested(performance) == 0


def test_marts_use_the_names_each_market_asks_for() -> None:
    from tradegraph_dagster.reporting import dbt_variables
    from tradegraph_dagster.settings import load_settings

    settings = load_settings("demo", {"markets.cn.training.min_names": 7})
    assert dbt_variables(settings)["min_names_by_market"] == {"us": 4, "cn": 7}


def test_a_part_is_built_before_the_rest_has_ever_been(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, manifest: Path
) -> None:
    """The orders of a first session change, and neither fills nor breaks exist yet."""
    from tradegraph_dagster.reporting import build_reporting
    from tradegraph_dagster.settings import Settings, dbt_environment

    settings = Settings(environment="demo", data_dir=str(tmp_path), markets={})
    write_market(settings.lake_dir, "us", SESSIONS)
    for name, value in dbt_environment(settings).items():
        monkeypatch.setenv(name, value)
    part = [dg.AssetKey(["marts", name]) for name in ("stg_orders", "execution")]
    result = (
        build_reporting(settings)
        .resolve_job_def("marts_job")
        .execute_in_process(instance=dg.DagsterInstance.ephemeral(), asset_selection=part)
    )
    assert result.success
    made = {event.asset_key for event in result.get_asset_materialization_events()}
    assert made == set(part)
    assert not _mart(tmp_path, "execution").is_empty()


def test_missing_manifest_says_what_to_run(tmp_path: Path) -> None:
    from tradegraph_dagster.reporting import build_reporting
    from tradegraph_dagster.settings import Settings

    for name in ("dbt_project.yml", "profiles.yml"):
        (tmp_path / name).write_bytes((DBT / name).read_bytes())
    settings = Settings(environment="demo", data_dir=str(tmp_path), markets={})
    with pytest.raises(ConfigError, match="make setup"):
        build_reporting(settings, tmp_path)


def test_empty_lake_builds_empty_marts(tmp_path: Path) -> None:
    statuses = _dbt(tmp_path, "run")
    assert set(statuses.values()) == {"success"}
    marts = ("performance", "exposure", "signal_quality", "data_coverage", "execution")
    marts += ("pnl_by_symbol", "gate_denials")
    for name, market in product(marts, ("cn", "us")):
        assert _mart(tmp_path, name, market).height == 0


@pytest.mark.parametrize("newer", [0, 1], ids=["all_older", "one_newer"])
def test_an_older_lake_is_read(tmp_path: Path, newer: int) -> None:
    lake = tmp_path / "lake"
    write_older_market(lake, "us", SESSIONS)
    write_trading_tables(lake, "cn", SESSIONS, seed=1)
    later = weekdays(5, date(2024, 3, 4))
    if newer:
        write_model_tables(lake, "us", later, seed=1)
    statuses = _dbt(tmp_path, "build")
    assert set(statuses.values()) <= {"success", "pass"}
    evaluation = _mart(tmp_path, "stg_evaluation")
    assert evaluation.height == 2 * (len(SESSIONS) + newer * len(later))
    assert evaluation["tradable_names"].count() == newer * 2 * len(later)
    horizons = _mart(tmp_path, "stg_candidate_model")["horizon_sessions"]
    assert (horizons.dtype, horizons.to_list()) == (pl.Int32, [None, 1][: 1 + newer])
    assert _mart(tmp_path, "signal_quality").filter(origin="candidate").height == 1 + newer


def test_each_invariant_can_fail(tmp_path: Path) -> None:
    lake, days = tmp_path / "lake", SESSIONS[:3]
    write_trading_tables(lake, "cn", days, seed=1)
    store = ParquetFrameStore(lake / "cn")

    book = store.read(DAILY_PNL, days).with_columns(pl.col("equity") + 0.02)
    write_table(lake, "cn", DAILY_PNL, book, days)
    fills = store.read(FILLS, days).with_columns(pl.col("quantity_shares") + 1)
    write_table(lake, "cn", FILLS, fills, days)
    held = store.read(POSITIONS, days).with_columns(pl.col("market_value") * 2)
    write_table(lake, "cn", POSITIONS, held, days)
    weights = store.read(TARGET_WEIGHTS, days).with_columns(weight_frac=pl.lit(0.4))
    write_table(lake, "cn", TARGET_WEIGHTS, weights, days)
    lines = store.read(STRATEGY_PNL, days).with_columns(pl.col("pnl") + 0.01)
    write_table(lake, "cn", STRATEGY_PNL, lines, days)
    broken = pl.DataFrame(
        [(days[1], "cash_mismatch", "", "", "100.00", "99.00")],
        schema=list(BREAKS.columns),
        orient="row",
    )
    write_table(lake, "cn", BREAKS, broken, days)

    variables = json.dumps({"min_names_by_market": {"us": 4}})
    statuses = _dbt(tmp_path, "build", "--vars", variables)
    assert {name for name, status in statuses.items() if status == "fail"} == INVARIANTS
    assert "skipped" not in statuses.values()
    assert _mart(tmp_path, "execution", "cn")["breaks"].sum() == 1
