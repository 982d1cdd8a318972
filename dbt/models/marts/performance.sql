-- Equity and returns by market and session, net of fees, beside the equal-weight benchmark.
-- Growth is 1 before the first session, so a loss on day one is already a drawdown.
with grown as (
    select
        market,
        session,
        equity,
        cash,
        market_value,
        pnl,
        fees,
        dividends,
        turnover_frac,
        return_frac,
        benchmark_return_frac,
        return_frac - benchmark_return_frac as active_return_frac,
        product(1 + return_frac) over to_date as growth,
        product(1 + benchmark_return_frac) over to_date as benchmark_growth
    from {{ ref('stg_daily_pnl') }}
    window to_date as (partition by market order by session)
),

peaked as (
    select *, greatest(1, max(growth) over to_date) as peak
    from grown
    window to_date as (partition by market order by session)
)

select
    market,
    session,
    row_number() over to_date as session_number,
    equity,
    cash,
    market_value,
    pnl,
    fees,
    dividends,
    turnover_frac,
    return_frac,
    benchmark_return_frac,
    active_return_frac,
    growth - 1 as cumulative_return_frac,
    benchmark_growth - 1 as benchmark_cumulative_return_frac,
    growth / benchmark_growth - 1 as cumulative_active_return_frac,
    1 - growth / peak as drawdown_frac,
    max(1 - growth / peak) over to_date as max_drawdown_frac,
    case when count(*) over month = 21
        then product(1 + return_frac) over month - 1 end as return_21_frac,
    case when count(*) over quarter = 63
        then stddev_samp(return_frac) over quarter * sqrt({{ var('annual_sessions') }})
    end as annual_volatility_63_frac,
    case when count(*) over quarter = 63
        then avg(return_frac) over quarter
            / nullif(stddev_samp(return_frac) over quarter, 0) * sqrt({{ var('annual_sessions') }})
    end as sharpe_63
from peaked
window
    to_date as (partition by market order by session),
    month as (partition by market order by session rows between 20 preceding and current row),
    quarter as (partition by market order by session rows between 62 preceding and current row)
