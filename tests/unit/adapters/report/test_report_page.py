from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from tests.support.make_bars import weekdays
from tests.support.make_story import make_story
from tradegraph_dagster.adapters.report.page import render_report
from tradegraph_dagster.adapters.report.story import MarketStory

SESSIONS = weekdays(45)
VOID = {"meta", "br", "link"}


@pytest.fixture(scope="module")
def stories() -> list[MarketStory]:
    return [
        make_story(SESSIONS),
        make_story(SESSIONS, market="cn", name="China A shares", seed=5, is_troubled=True),
    ]


@pytest.fixture(scope="module")
def page(stories: list[MarketStory]) -> str:
    return render_report(stories, title="Daily <report>", generated_note="Made for a test.")


class _Tags(HTMLParser):
    """Collects text and ids, and insists that every element is closed where it should be."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.words: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("src", "href", "xlink:href"):
                self.addresses.append(value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)


def _parse(page: str) -> _Tags:
    tags = _Tags()
    tags.feed(page)
    return tags


def test_page_is_well_formed_and_every_id_is_unique(page: str) -> None:
    tags = _parse(page)
    assert tags.open == []
    assert len(tags.ids) == len(set(tags.ids))


def test_page_loads_nothing(page: str) -> None:
    assert all(address.startswith("#") for address in _parse(page).addresses)
    for forbidden in ("http://", "https://", "<script", "<link", "@import", "src="):
        assert forbidden not in page


def test_every_reference_inside_the_page_has_its_target(page: str) -> None:
    tags = _parse(page)
    used = {address[1:] for address in tags.addresses} | set(re.findall(r"url\(#([^)]+)\)", page))
    assert used <= set(tags.ids)


def test_no_missing_value_leaks(page: str) -> None:
    words = " ".join(_parse(page).words)
    assert not re.search(r"\b(nan|NaN|None|null|inf)\b", words)


def test_both_markets_are_told(page: str) -> None:
    words = " ".join(_parse(page).words)
    for expected in (
        "United States",
        "China A shares",
        "Synthetic data",
        "Sharpe ratio",
        "planted 0.040",
        "Training and promotion",
        "promoted",
        "Made for a test.",
        "lake/cn",
    ):
        assert expected in words
    assert page.count("<svg") == 16


def test_breaks_are_shown_at_the_top_and_in_their_table(page: str) -> None:
    assert page.index("2 breaks between ledger and broker") < page.index('id="us"')
    assert "310 shares" in page
    assert "300 shares" in page
    assert "qty mismatch" in page


def test_text_is_escaped(page: str) -> None:
    assert "Daily &lt;report&gt;" in page


def test_figures_take_their_colours_from_the_page(page: str) -> None:
    drawn = "".join(re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL))
    assert "var(--market)" in drawn
    assert set(re.findall(r"#[0-9a-f]{6}\b", drawn)) <= {"#ffffff", "#000000"}


def test_same_stories_give_the_same_page(stories: list[MarketStory], page: str) -> None:
    assert render_report(stories, title="Daily <report>", generated_note="Made for a test.") == page


def test_market_without_anything_yet_has_a_page() -> None:
    story = MarketStory(market="cn", name="China", currency="CNY")
    page = render_report([story], title="Report", generated_note="Made for a test.")
    assert page.count("Nothing to draw yet.") == 8
    assert "No model has been trained yet." in page
    assert "Nothing is off" in page


def test_one_session_is_enough_to_draw() -> None:
    page = render_report(
        [make_story(SESSIONS[:1], is_troubled=False)], title="Report", generated_note="Test."
    )
    assert page.count("<svg") == 8


def test_importing_the_report_is_cheap() -> None:
    code = (
        "import sys, tradegraph_dagster.adapters.report.page;"
        "sys.exit(bool({'matplotlib', 'jinja2', 'pandas'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
