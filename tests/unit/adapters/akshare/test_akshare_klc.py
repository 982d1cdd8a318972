"""Sina's packed day lines are unpacked by the decoder akshare ships, and nothing else is run."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.akshare_world import BARS, open_bars, serving
from tests.support.replay_server import body_raw
from tests.support.vendor_bodies_cn import klc_body, pack_day_lines
from tradegraph_dagster.adapters.akshare.klc import KlcDecoder
from tradegraph_dagster.domain.core.errors import SchemaError

DECODER = KlcDecoder()
ONE = BARS.filter(pl.col("symbol") == "600000.SH")
CENTS = st.integers(1, 300_000)


@st.composite
def day_lines(draw: st.DrawFn) -> list[dict[str, object]]:
    days = draw(st.lists(st.integers(0, 15_000), min_size=1, max_size=12, unique=True))
    rows = []
    for offset in sorted(days):
        prices = sorted(draw(CENTS) for _ in range(4))
        low, close, open_, high = (price / 100 for price in prices)
        rows.append(
            {
                "session": date(1990, 12, 19) + timedelta(days=offset),
                **{"open": open_, "high": high, "low": low, "close": close},
                "volume": draw(st.integers(0, 10**11)),
                "amount": draw(st.integers(0, 10**13)) / 100,
            }
        )
    return rows


@settings(max_examples=30)
@given(rows=day_lines())
def test_what_is_packed_is_unpacked(rows: list[dict[str, object]]) -> None:
    body = f'var KLC_K2_sh600000="{pack_day_lines(rows)}";'.encode()
    found = DECODER.decode(body, "sh600000")
    assert [row["date"][:10] for row in found] == [str(row["session"]) for row in rows]
    for name in ("open", "high", "low", "close", "volume", "amount"):
        assert [row[name] for row in found] == pytest.approx([row[name] for row in rows], abs=1e-9)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"/* ban */",
        b'var KLC_K2_sh600000="";',
        b"var KLC_K2_sh600000='AAAA';",
        b'var KLC_K2_sh600000=evil("AAAA");',
        b'var KLC_K2_sh600000="AAAA"+evil();',
        b'var KLC_K2_sh600000="AA\\u0022;evil();//";',
        "招商".encode("gbk"),
        # Text of no known kind, and text that ends in the middle of a row.
        b'var KLC_K2_sh600000="AAAAAAAA";',
        klc_body("sh600000", ONE)[:900] + b'";',
        # Another symbol's rows.
        klc_body("sz000001", ONE),
    ],
)
def test_any_other_body_is_an_error(body: bytes) -> None:
    with serving() as server:
        server.fail(body_raw(body))
        with pytest.raises(Exception, match="source sina") as raised:
            open_bars(server, "sina", symbols=["600000.SH"]).bars([date(2026, 9, 29)])
    assert type(raised.value).__name__ in ("SchemaError", "SourceSuspect")


def test_no_code_of_a_body_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = tmp_path / "was_run"
    python = f"__import__('pathlib').Path({str(trace)!r}).touch()"
    monkeypatch.setattr("builtins.eval", lambda *given: pytest.fail("eval was reached"))
    decoder = KlcDecoder()
    good = klc_body("sh600000", ONE).decode().strip()
    assert len(decoder.decode(f"{good}{python};d=null;".encode(), "sh600000")) == ONE.height
    for body in (f"var KLC_K2_sh600000={python}", f'{python};var KLC_K2_sh600000="AAAA";'):
        with pytest.raises(ValueError, match="no assignment"):
            decoder.decode(body.encode(), "sh600000")
    # The function is still the one that was loaded.
    assert len(decoder.decode(good.encode(), "sh600000")) == ONE.height
    assert not trace.exists()


def test_an_unreadable_body_is_kept(tmp_path: Path) -> None:
    with serving() as server:
        server.fail(body_raw("var x=1"))
        source = open_bars(server, "sina", symbols=["600000.SH"], quarantine_dir=str(tmp_path))
        with pytest.raises(SchemaError, match=str(tmp_path)):
            source.bars([date(2026, 9, 29)])
    assert [path.read_bytes() for path in (tmp_path / "sina").iterdir()] == [b"var x=1"]
