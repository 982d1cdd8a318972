"""The technical indicators: one entry each, with their windows as parameters.

A formula is text in which TA-Lib's functions appear in lower case; `indicator_formulas` says what
it may hold. `{name}` in a name or a formula is a window of TechnicalWindows. Formulas are made so
that neither the unit of prices nor that of volumes matters. Left out on purpose, with the reasons:
docs/reference/technical-features.md; a test compares that page with this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from tradegraph_dagster.domain.core.errors import ConfigError

# What an average may reach so that 384 sessions of warm-up leave less than 1e-6 of where it began.
# An exponential one keeps (1 - 2 / 41) ** 384 of it, one of Wilder's (1 - 1 / 20) ** 384: 5e-9.
# Where averages are averaged again, up to six times in T3, each time more of it is left.
LONGEST_EXPONENTIAL = 40
LONGEST_CASCADE = 30
LONGEST_WILDER = 20
LONGEST_WINDOW = 120


@dataclass(frozen=True)
class TechnicalWindows:
    """Windows in traded sessions.

    Raises:
        ConfigError: A window below 2, one so long that warm-up would not cover it, or a fast one
            that is not shorter than its slow one.
    """

    short: int = 5
    medium: int = 20
    long: int = 60
    fast: int = 12
    slow: int = 26
    signal: int = 9
    wilder: int = 14
    brisk: int = 6
    smooth: int = 3
    aroon: int = 25
    trix: int = 15
    tsi_slow: int = 25
    tsi_fast: int = 13
    efi: int = 13
    adosc_fast: int = 3
    adosc_slow: int = 10

    def __post_init__(self) -> None:
        longest = dict.fromkeys(asdict(self), LONGEST_EXPONENTIAL)
        cascades = ("short", "medium", "trix", "tsi_slow", "tsi_fast")
        longest |= dict.fromkeys(cascades, LONGEST_CASCADE)
        longest |= dict.fromkeys(("wilder", "brisk"), LONGEST_WILDER)
        longest |= dict.fromkeys(("long", "aroon"), LONGEST_WINDOW)
        for name, window in asdict(self).items():
            if not 2 <= window <= longest[name]:
                raise ConfigError(
                    f"technical window {name}: expected 2 to {longest[name]} sessions, "
                    f"found {window}"
                )
        for fast, slow in (
            ("fast", "slow"),
            ("tsi_fast", "tsi_slow"),
            ("adosc_fast", "adosc_slow"),
        ):
            if getattr(self, fast) >= getattr(self, slow):
                raise ConfigError(
                    f"technical windows {fast} and {slow}: expected the first to be shorter, found "
                    f"{getattr(self, fast)} and {getattr(self, slow)}"
                )


@dataclass(frozen=True)
class Indicator:
    """One feature.

    Attributes:
        name: Name, windows in braces.
        formula: Formula, windows in braces.
        source: Who published the indicator, and when.
    """

    name: str
    formula: str
    source: str = "plain statistic"


_MACD = "macd(close, {fast}, {slow}, {signal})"
_STOCH = "stoch(high, low, close, {wilder}, {smooth}, 0, {smooth}, 0)"
_BANDS = "bbands(close, {medium}, 2.0, 2.0)"

INDICATORS: Mapping[str, tuple[Indicator, ...]] = {
    "trend": (
        Indicator("sma_ratio_{short}", "sma(close, {short}) / close - 1"),
        Indicator("sma_ratio_{medium}", "sma(close, {medium}) / close - 1"),
        Indicator("sma_ratio_{long}", "sma(close, {long}) / close - 1"),
        Indicator("ema_ratio_{fast}", "ema(close, {fast}) / close - 1"),
        Indicator("ema_ratio_{slow}", "ema(close, {slow}) / close - 1"),
        Indicator("wma_ratio_{medium}", "wma(close, {medium}) / close - 1"),
        Indicator("dema_ratio_{medium}", "dema(close, {medium}) / close - 1", "Mulloy 1994"),
        Indicator("tema_ratio_{medium}", "tema(close, {medium}) / close - 1", "Mulloy 1994"),
        Indicator("t3_ratio_{short}", "t3(close, {short}, 0.7) / close - 1", "Tillson 1998"),
        Indicator("macd_{fast}_{slow}_{signal}", f"{_MACD}.macd / close", "Appel 1979"),
        Indicator("macd_signal_{fast}_{slow}_{signal}", f"{_MACD}.signal / close", "Appel 1979"),
        Indicator("macd_hist_{fast}_{slow}_{signal}", f"{_MACD}.hist / close", "Aspray 1986"),
        Indicator("adx_{wilder}", "adx(high, low, close, {wilder})", "Wilder 1978"),
        Indicator("adxr_{wilder}", "adxr(high, low, close, {wilder})", "Wilder 1978"),
        Indicator("plus_di_{wilder}", "plus_di(high, low, close, {wilder})", "Wilder 1978"),
        Indicator("minus_di_{wilder}", "minus_di(high, low, close, {wilder})", "Wilder 1978"),
        Indicator("aroon_up_{aroon}", "aroon(high, low, {aroon}).up", "Chande 1995"),
        Indicator("aroon_down_{aroon}", "aroon(high, low, {aroon}).down", "Chande 1995"),
        Indicator("linreg_slope_{medium}", "linearreg_slope(close, {medium}) / close"),
        Indicator("tsf_ratio_{medium}", "tsf(close, {medium}) / close - 1"),
        Indicator("sar_ratio", "sar(high, low, 0.02, 0.2) / close - 1", "Wilder 1978"),
    ),
    "momentum": (
        Indicator("rsi_{brisk}", "rsi(close, {brisk})", "Wilder 1978"),
        Indicator("rsi_{wilder}", "rsi(close, {wilder})", "Wilder 1978"),
        Indicator(
            "stochrsi_{wilder}",
            "stochrsi(close, {wilder}, {wilder}, {smooth}, 0).k",
            "Chande and Kroll 1994",
        ),
        Indicator("stoch_k_{wilder}_{smooth}", f"{_STOCH}.k", "Lane 1984"),
        Indicator("stoch_d_{wilder}_{smooth}", f"{_STOCH}.d", "Lane 1984"),
        Indicator("willr_{wilder}", "willr(high, low, close, {wilder})", "Williams 1973"),
        Indicator("cci_{medium}", "cci(high, low, close, {medium})", "Lambert 1980"),
        Indicator("roc_{short}", "rocp(close, {short})"),
        Indicator("roc_{medium}", "rocp(close, {medium})"),
        Indicator("roc_{long}", "rocp(close, {long})"),
        Indicator("trix_{trix}", "trix(close, {trix})", "Hutson 1983"),
        Indicator(
            "tsi_{tsi_slow}_{tsi_fast}",
            "tsi(close, {tsi_slow}, {tsi_fast})",
            "Blau 1991",
        ),
        Indicator("bop_{wilder}", "sma(bop(open, high, low, close), {wilder})", "Livshin 2001"),
        Indicator("imi_{wilder}", "imi(open, close, {wilder})", "Chande and Kroll 1994"),
    ),
    "volatility": (
        Indicator("atr_pct_{wilder}", "atr(high, low, close, {wilder}) / close", "Wilder 1978"),
        Indicator("trange_pct", "trange(high, low, close) / close", "Wilder 1978"),
        Indicator(
            "bb_width_{medium}",
            f"({_BANDS}.upper - {_BANDS}.lower) / {_BANDS}.middle",
            "Bollinger 2001",
        ),
        Indicator(
            "bb_pos_{medium}",
            f"(close - {_BANDS}.lower) / ({_BANDS}.upper - {_BANDS}.lower)",
            "Bollinger 2001",
        ),
        Indicator("return_std_{short}", "stddev(rocp(close, 1), {short}, 1)"),
        Indicator("return_std_{medium}", "stddev(rocp(close, 1), {medium}, 1)"),
        Indicator("return_std_{long}", "stddev(rocp(close, 1), {long}, 1)"),
        Indicator(
            "range_pct_{medium}",
            "(max(high, {medium}) - min(low, {medium})) / close",
            "Donchian 1960",
        ),
    ),
    "volume": (
        Indicator("volume_ratio_{medium}", "volume / sma(volume, {medium})"),
        Indicator("volume_std_{medium}", "stddev(volume, {medium}, 1) / sma(volume, {medium})"),
        Indicator("pvo_{fast}_{slow}", "pvo(volume, {fast}, {slow}, 1)"),
        Indicator(
            "obv_flow_{medium}",
            "mom(obv(close, volume), {medium}) / (sma(volume, {medium}) * {medium})",
            "Granville 1963",
        ),
        Indicator(
            "ad_flow_{medium}",
            "mom(ad(high, low, close, volume), {medium}) / (sma(volume, {medium}) * {medium})",
            "Chaikin",
        ),
        Indicator(
            "adosc_{adosc_fast}_{adosc_slow}",
            "adosc(high, low, close, volume, {adosc_fast}, {adosc_slow}) / sma(volume, {medium})",
            "Chaikin",
        ),
        Indicator(
            "mfi_{wilder}", "mfi(high, low, close, volume, {wilder})", "Quong and Soudack 1989"
        ),
        Indicator(
            "efi_{efi}",
            "efi(close, volume, {efi}) / (sma(volume, {medium}) * close)",
            "Elder 1993",
        ),
        Indicator("price_volume_corr_{medium}", "correl(close, volume, {medium})"),
        Indicator("vwma_ratio_{medium}", "vwma(close, volume, {medium}) / close - 1"),
    ),
    "cycle": (
        Indicator("ht_dcperiod", "ht_dcperiod(close)", "Ehlers 2001"),
        Indicator("ht_inphase", "ht_phasor(close).inphase / close", "Ehlers 2001"),
        Indicator("ht_quadrature", "ht_phasor(close).quadrature / close", "Ehlers 2001"),
        Indicator("ht_trendline_ratio", "ht_trendline(close) / close - 1", "Ehlers 2001"),
    ),
}


def indicators_with(windows: TechnicalWindows) -> dict[str, tuple[Indicator, ...]]:
    """Group -> its indicators, the windows filled in.

    Raises:
        ConfigError: Two features get one name, because windows that part them are equal.
    """
    lengths = asdict(windows)
    filled = {
        group: tuple(
            Indicator(line.name.format(**lengths), line.formula.format(**lengths), line.source)
            for line in lines
        )
        for group, lines in INDICATORS.items()
    }
    names = [line.name for lines in filled.values() for line in lines]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(
            f"technical windows: expected one feature a name, found {', '.join(twice)} twice; "
            "give the windows that part them different lengths"
        )
    return filled
