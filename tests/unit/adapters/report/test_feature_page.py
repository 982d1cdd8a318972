"""The feature page: whole HTML, numbers with their errors, nothing fetched, holes drawn as such."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser

import numpy as np
import pytest

from tests.support.make_bars import weekdays
from tradegraph_dagster.adapters.report.feature_page import render_feature_page
from tradegraph_dagster.adapters.report.small_charts import (
    HEIGHT,
    WIDTH,
    autocorrelation_chart,
    coverage_chart,
    horizon_chart,
    horizon_spark,
    quantile_chart,
)
from tradegraph_dagster.domain.monitoring.feature_profile import (
    HORIZONS,
    LAGS,
    QUANTILES,
    FeatureProfile,
)

MONTHS = tuple(date(2023 + at // 12, at % 12 + 1, 1) for at in range(18))
FEATURES = {
    "kmid": "(close - open) / open",
    "gap": "open < ref(close, 1) & volume > 0",
    "none": "0",
}


def make_profile(features: dict[str, str] = FEATURES) -> FeatureProfile:
    rng = np.random.default_rng(3)
    count = len(features)
    quantiles = np.sort(rng.normal(size=(len(MONTHS), count, len(QUANTILES))), axis=2)
    quantiles[:, -1] = np.nan
    rank_ic = rng.normal(0, 0.01, (count, len(HORIZONS)))
    rank_ic[0, 0] = 0.05
    rank_ic[-1] = np.nan
    errors = np.where(np.isfinite(rank_ic), 0.008, np.nan)
    errors[1, 10:] = np.nan
    return FeatureProfile(
        set_name="some",
        version="some-0123456789ab",
        definitions=features,
        sessions=weekdays(380),
        names=321.0,
        months=MONTHS,
        coverage=rng.uniform(0.9, 1.0, (len(MONTHS), count)),
        quantiles=quantiles,
        autocorrelation=np.array([[0.9, 0.5, -0.1]] * (count - 1) + [[np.nan] * 3]),
        autocorrelation_error=np.array([[0.01, 0.02, 0.03]] * (count - 1) + [[np.nan] * 3]),
        rank_ic=rank_ic,
        rank_ic_error=errors,
    )


class _Elements(HTMLParser):
    """Insists that what is opened is closed; collects ids, addresses and words."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "meta":
            self.open.append(tag)
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)


@pytest.fixture(scope="module")
def page() -> str:
    return render_feature_page(make_profile(), market="cn", market_name="China A-shares")


@pytest.fixture(scope="module")
def elements(page: str) -> _Elements:
    parsed = _Elements()
    parsed.feed(page)
    assert not parsed.open
    return parsed


def test_every_feature_has_its_row_its_section_and_four_charts(
    page: str, elements: _Elements
) -> None:
    assert set(FEATURES) <= set(elements.ids)
    assert len(elements.ids) == len(set(elements.ids))
    assert [f"#{name}" for name in FEATURES] == [
        one for one in elements.addresses if one != "#overview"
    ]
    assert page.count('role="img"') == 4 * len(FEATURES)


def test_nothing_is_fetched_and_nothing_runs(page: str, elements: _Elements) -> None:
    assert all(address.startswith("#") for address in elements.addresses)
    assert "<script" not in page
    assert "url(" not in page
    assert "http" not in page


def test_formulas_are_text(page: str) -> None:
    assert "open &lt; ref(close, 1) &amp; volume &gt; 0" in page


def test_numbers_carry_their_errors_and_far_ones_are_marked(page: str) -> None:
    assert "<b>+0.0500 ± 0.0080</b>" in page
    assert page.count("<b>") == 1


def test_what_is_unknown_is_a_dash_and_no_nan_is_drawn(page: str) -> None:
    assert "nan" not in page.lower().replace("tradegraph features", "")
    row = page[page.index('href="#none"') : page.index("</tr>", page.index('href="#none"'))]
    assert row.count("–") >= 6  # noqa: RUF001


def test_the_same_profile_gives_the_same_bytes(page: str) -> None:
    assert page == render_feature_page(make_profile(), market="cn", market_name="China A-shares")


def test_three_hundred_features_fit_in_two_megabytes() -> None:
    many = make_profile({f"feature_{at}": "mean(close, 5) / close" for at in range(316)})
    page = render_feature_page(many, market="us", market_name="US equities")
    assert len(page.encode()) < 2_500_000


def test_a_lake_of_one_session_is_drawn() -> None:
    short = make_profile()
    one = replace(
        short,
        sessions=short.sessions[:1],
        months=MONTHS[:1],
        coverage=short.coverage[:1],
        quantiles=short.quantiles[:1],
        rank_ic=np.full_like(short.rank_ic, np.nan),
        rank_ic_error=np.full_like(short.rank_ic, np.nan),
        autocorrelation=np.full_like(short.autocorrelation, np.nan),
        autocorrelation_error=np.full_like(short.autocorrelation, np.nan),
    )
    page = render_feature_page(one, market="cn", market_name="China A-shares")
    assert page.count('role="img"') == 4 * len(FEATURES)


def test_sessions_without_members_are_drawn() -> None:
    profile = make_profile()
    nothing = {
        name: np.full_like(getattr(profile, name), np.nan)
        for name in ("coverage", "quantiles", "autocorrelation", "rank_ic", "rank_ic_error")
    }
    page = render_feature_page(
        replace(profile, names=0.0, **nothing), market="cn", market_name="China A-shares"
    )
    assert "no session has a member" in page
    assert page.count('role="img"') == 4 * len(FEATURES)


def test_the_feature_with_the_lowest_coverage_is_named() -> None:
    low = make_profile()
    low.coverage[:, 1] = 0.1
    low.coverage[:, 2] = np.nan
    page = render_feature_page(low, market="cn", market_name="China A-shares")
    assert "lowest gap" in page


_NUMBER = r"(-?[\d.]+)"


def _places(svg: str) -> np.ndarray:
    """Both ends of every stroke of a chart, two corners of every bar, the middle of every dot."""
    paths = "".join(re.findall(r' d="([^"]*)"', svg))
    found = re.findall(rf"{_NUMBER} {_NUMBER}", paths)
    found += re.findall(rf"M{_NUMBER} [^V]*?V{_NUMBER}", paths)
    found += re.findall(rf'cx="{_NUMBER}" cy="{_NUMBER}"', svg)
    size = rf'<rect [^>]*?x="{_NUMBER}" y="{_NUMBER}" width="{_NUMBER}" height="{_NUMBER}"'
    for x, y, width, height in re.findall(size, svg):
        found += [(x, y), (float(x) + float(width), float(y) + float(height))]
    return np.array(found, dtype=np.float64).reshape(-1, 2)


@pytest.mark.parametrize("scale", [1e-7, 1.0, 1e9])
def test_charts_stay_in_their_box_whatever_the_scale(scale: float) -> None:
    profile = make_profile()
    charts = (
        coverage_chart(MONTHS, profile.coverage[:, 0]),
        quantile_chart(MONTHS, scale * profile.quantiles[:, 0]),
        autocorrelation_chart(LAGS, profile.autocorrelation[0], profile.autocorrelation_error[0]),
        horizon_chart(HORIZONS, profile.rank_ic[0], profile.rank_ic_error[0]),
    )
    for chart in charts:
        places = _places(chart)
        assert len(places)
        assert places.min() >= 0
        assert np.all(places <= (WIDTH, HEIGHT))


@pytest.mark.parametrize(
    ("mean", "error"),
    [
        ([0.5, -0.9, -1.0], [np.nan] * 3),
        ([0.5, -0.2, -0.9], [0.1, 0.3, 0.02]),
        ([0.95, 0.9, np.nan], [0.2, 0.3, np.nan]),
    ],
    ids=["no error", "below", "above"],
)
def test_autocorrelations_stay_in_their_box(mean: list[float], error: list[float]) -> None:
    chart = autocorrelation_chart(LAGS, np.array(mean), np.array(error))
    assert chart.count("<rect") == np.isfinite(mean).sum()
    places = _places(chart)
    assert places.min() >= 0
    # Below it are the names of the lags.
    assert np.all(places <= (WIDTH, HEIGHT - 15))


def test_a_hole_interrupts_the_line() -> None:
    share = np.linspace(0.2, 0.9, len(MONTHS))
    assert _line(coverage_chart(MONTHS, share)).count("M") == 1
    share[[4, 9]] = np.nan
    assert _line(coverage_chart(MONTHS, share)).count("M") == 3


def test_the_small_line_is_cut_at_the_scale_of_its_table() -> None:
    spark = horizon_spark(np.array([0.0, 0.5, -3.0, np.nan]), 0.1)
    points = re.findall(r'points="([^"]*)"', spark)[0].split()
    assert [point.split(",")[1] for point in points] == ["11.0", "1.5", "20.5"]


def _line(svg: str) -> str:
    return re.findall(r'class="line" d="([^"]*)"', svg)[0]
