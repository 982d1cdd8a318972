-- What was held after each close, as shares of equity. Concentration is the Herfindahl index of the
-- weights within the invested part: 1 is a single name, 1/n is n equal ones.
with held as (
    select
        market,
        session,
        count(*) as names,
        sum(abs(market_value)) as gross_value,
        sum(market_value) as net_value,
        max(abs(market_value)) as largest_value,
        sum(market_value * market_value) as squared_value
    from {{ ref('stg_positions') }}
    where quantity_shares <> 0
    group by market, session
)

select
    book.market,
    book.session,
    coalesce(held.names, 0) as names,
    coalesce(held.gross_value, 0) / book.equity as gross_exposure_frac,
    coalesce(held.net_value, 0) / book.equity as net_exposure_frac,
    coalesce(held.largest_value, 0) / book.equity as largest_position_frac,
    book.cash / book.equity as cash_frac,
    held.squared_value / nullif(held.gross_value * held.gross_value, 0) as concentration_hhi,
    held.gross_value * held.gross_value / nullif(held.squared_value, 0) as effective_names
from {{ ref('stg_daily_pnl') }} as book
left join held
    on book.market = held.market and book.session = held.session
