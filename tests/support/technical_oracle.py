"""The technical set a second time: TA-Lib called by hand over a whole series, no code shared.

It also holds the first row of each column that has a value, counted in traded rows from the
listing, and bars of one instrument that trade on every session.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import talib

from tests.support.alpha158_oracle import Fields

Columns = dict[str, np.ndarray]

# Rows an indicator needs before its first value, by TA-Lib's documentation: a window of n bars n-1,
# of n changes n, an average of an average the sum, Hilbert transforms 32 and their trend line 63.
FIRST_ROWS = {
    "sma_ratio_5": 4,
    "sma_ratio_20": 19,
    "sma_ratio_60": 59,
    "ema_ratio_12": 11,
    "ema_ratio_26": 25,
    "wma_ratio_20": 19,
    "dema_ratio_20": 38,
    "tema_ratio_20": 57,
    "t3_ratio_5": 24,
    "macd_12_26_9": 33,
    "macd_signal_12_26_9": 33,
    "macd_hist_12_26_9": 33,
    "adx_14": 27,
    "adxr_14": 40,
    "plus_di_14": 14,
    "minus_di_14": 14,
    "aroon_up_25": 25,
    "aroon_down_25": 25,
    "linreg_slope_20": 19,
    "tsf_ratio_20": 19,
    "sar_ratio": 1,
    "rsi_6": 6,
    "rsi_14": 14,
    "stochrsi_14": 29,
    "stoch_k_14_3": 17,
    "stoch_d_14_3": 17,
    "willr_14": 13,
    "cci_20": 19,
    "roc_5": 5,
    "roc_20": 20,
    "roc_60": 60,
    "trix_15": 43,
    "tsi_25_13": 37,
    "bop_14": 13,
    "imi_14": 13,
    "atr_pct_14": 14,
    "trange_pct": 1,
    "bb_width_20": 19,
    "bb_pos_20": 19,
    "return_std_5": 5,
    "return_std_20": 20,
    "return_std_60": 60,
    "range_pct_20": 19,
    "volume_ratio_20": 19,
    "volume_std_20": 19,
    "pvo_12_26": 25,
    "obv_flow_20": 20,
    "ad_flow_20": 20,
    "adosc_3_10": 19,
    "mfi_14": 14,
    "efi_13": 19,
    "price_volume_corr_20": 19,
    "vwma_ratio_20": 19,
    "ht_dcperiod": 32,
    "ht_inphase": 32,
    "ht_quadrature": 32,
    "ht_trendline_ratio": 63,
}


def traded_fields(seed: int, rows: int) -> Fields:
    """Bars with fat-tailed returns, prices in cents; how much they move depends on the seed."""
    rng = np.random.default_rng(seed)
    size = rng.choice([0.006, 0.02, 0.035])
    close = np.round(40 * np.exp(np.cumsum(rng.standard_t(4, rows) * size / 1.4)), 2) + 1
    open_ = np.round(close * (1 + rng.normal(0, size / 2, rows)), 2)
    high = np.round(np.maximum(open_, close) * (1 + rng.uniform(0, size, rows)), 2)
    low = np.round(np.minimum(open_, close) * (1 - rng.uniform(0, size, rows)), 2)
    volume = np.round(np.exp(rng.normal(12, 0.6, rows))) * 100
    names = ("open", "high", "low", "close", "volume", "vwap")
    return dict(zip(names, (open_, high, low, close, volume, close), strict=True))


def whole_series(fields: Fields) -> Columns:
    """Each column as one run of TA-Lib over all rows, every one of them traded."""
    with np.errstate(all="ignore"):
        return _trend(fields) | _momentum(fields) | _volatility(fields) | _volume_and_cycle(fields)


def by_quarters(fields: Fields, sessions: np.ndarray, warm_up: int = 384) -> Columns:
    """Each column of each calendar quarter as a run of TA-Lib from `warm_up` sessions before it."""
    columns = {name: np.full(len(sessions), np.nan) for name in FIRST_ROWS}
    years = sessions.astype("datetime64[Y]").astype(int)
    months = sessions.astype("datetime64[M]").astype(int) % 12
    quarters = years * 4 + months // 3
    is_traded = ~np.isnan(fields["close"])
    for quarter in np.unique(quarters):
        own = np.flatnonzero(quarters == quarter)
        read = np.arange(max(own[0] - warm_up, 0), own[-1] + 1)
        read = read[is_traded[read]]
        if len(read):
            run = whole_series({name: values[read].copy() for name, values in fields.items()})
            kept = read >= own[0]
            for name, values in run.items():
                columns[name][read[kept]] = values[kept]
    return columns


def _trend(f: Fields) -> Columns:
    high, low, close = f["high"], f["low"], f["close"]
    averages: dict[str, Callable[[], np.ndarray]] = {
        "sma_ratio_5": lambda: talib.SMA(close, 5),
        "sma_ratio_20": lambda: talib.SMA(close, 20),
        "sma_ratio_60": lambda: talib.SMA(close, 60),
        "ema_ratio_12": lambda: talib.EMA(close, 12),
        "ema_ratio_26": lambda: talib.EMA(close, 26),
        "wma_ratio_20": lambda: talib.WMA(close, 20),
        "dema_ratio_20": lambda: talib.DEMA(close, 20),
        "tema_ratio_20": lambda: talib.TEMA(close, 20),
        "t3_ratio_5": lambda: talib.T3(close, 5, vfactor=0.7),
    }
    columns = {name: average() / close - 1 for name, average in averages.items()}
    macd, signal, hist = talib.MACD(close, fastperiod=12, slowperiod=26, signalperiod=9)
    aroon_down, aroon_up = talib.AROON(high, low, timeperiod=25)
    return columns | {
        "macd_12_26_9": macd / close,
        "macd_signal_12_26_9": signal / close,
        "macd_hist_12_26_9": hist / close,
        "adx_14": talib.ADX(high, low, close, timeperiod=14),
        "adxr_14": talib.ADXR(high, low, close, timeperiod=14),
        "plus_di_14": talib.PLUS_DI(high, low, close, timeperiod=14),
        "minus_di_14": talib.MINUS_DI(high, low, close, timeperiod=14),
        "aroon_up_25": aroon_up,
        "aroon_down_25": aroon_down,
        "linreg_slope_20": talib.LINEARREG_SLOPE(close, timeperiod=20) / close,
        "tsf_ratio_20": talib.TSF(close, timeperiod=20) / close - 1,
        "sar_ratio": talib.SAR(high, low, acceleration=0.02, maximum=0.2) / close - 1,
    }


def _momentum(f: Fields) -> Columns:
    high, low, close = f["high"], f["low"], f["close"]
    stoch_k, stoch_d = talib.STOCH(
        high, low, close, fastk_period=14, slowk_period=3, slowd_period=3
    )
    stochrsi, _ = talib.STOCHRSI(close, timeperiod=14, fastk_period=14, fastd_period=3)
    balance = talib.BOP(f["open"], high, low, close)
    return {
        "rsi_6": talib.RSI(close, timeperiod=6),
        "rsi_14": talib.RSI(close, timeperiod=14),
        "stochrsi_14": stochrsi,
        "stoch_k_14_3": stoch_k,
        "stoch_d_14_3": stoch_d,
        "willr_14": talib.WILLR(high, low, close, timeperiod=14),
        "cci_20": talib.CCI(high, low, close, timeperiod=20),
        "roc_5": talib.ROC(close, timeperiod=5) / 100,
        "roc_20": talib.ROC(close, timeperiod=20) / 100,
        "roc_60": talib.ROC(close, timeperiod=60) / 100,
        "trix_15": talib.TRIX(close, timeperiod=15),
        "tsi_25_13": talib.TSI(close, firstperiod=25, secondperiod=13),
        "bop_14": talib.SMA(balance, timeperiod=14),
        "imi_14": talib.IMI(f["open"], close, timeperiod=14),
    }


def _volatility(f: Fields) -> Columns:
    high, low, close = f["high"], f["low"], f["close"]
    upper, middle, lower = talib.BBANDS(close, timeperiod=20, nbdevup=2.0, nbdevdn=2.0)
    returns = np.append(np.nan, close[1:] / close[:-1] - 1)
    return {
        "atr_pct_14": talib.NATR(high, low, close, timeperiod=14) / 100,
        "trange_pct": talib.TRANGE(high, low, close) / close,
        "bb_width_20": (upper - lower) / middle,
        "bb_pos_20": (close - lower) / (upper - lower),
        "return_std_5": talib.STDDEV(returns, timeperiod=5),
        "return_std_20": talib.STDDEV(returns, timeperiod=20),
        "return_std_60": talib.STDDEV(returns, timeperiod=60),
        "range_pct_20": (talib.MAX(high, 20) - talib.MIN(low, 20)) / close,
    }


def _volume_and_cycle(f: Fields) -> Columns:
    high, low, close, volume = f["high"], f["low"], f["close"], f["volume"]
    usual = talib.SMA(volume, timeperiod=20)
    inphase, quadrature = talib.HT_PHASOR(close)
    return {
        "volume_ratio_20": volume / usual,
        "volume_std_20": talib.STDDEV(volume, timeperiod=20) / usual,
        "pvo_12_26": talib.PVO(volume, fastperiod=12, slowperiod=26, matype=1),
        "obv_flow_20": talib.MOM(talib.OBV(close, volume), timeperiod=20) / usual / 20,
        "ad_flow_20": talib.MOM(talib.AD(high, low, close, volume), timeperiod=20) / usual / 20,
        "adosc_3_10": talib.ADOSC(high, low, close, volume, fastperiod=3, slowperiod=10) / usual,
        "mfi_14": talib.MFI(high, low, close, volume, timeperiod=14),
        "efi_13": talib.EFI(close, volume, timeperiod=13) / usual / close,
        "price_volume_corr_20": talib.CORREL(close, volume, timeperiod=20),
        "vwma_ratio_20": talib.VWMA(close, volume, timeperiod=20) / close - 1,
        "ht_dcperiod": talib.HT_DCPERIOD(close),
        "ht_inphase": inphase / close,
        "ht_quadrature": quadrature / close,
        "ht_trendline_ratio": talib.HT_TRENDLINE(close) / close - 1,
    }
