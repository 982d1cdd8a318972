-- Profit and exposure of every strategy's symbols at each close; an empty symbol is money of the
-- whole account. Exposures are shares of the account's equity, short positions negative.
select
    line.market,
    line.session,
    line.strategy,
    line.symbol,
    line.quantity_shares,
    line.market_value,
    abs(line.market_value) / nullif(book.equity, 0) as gross_exposure_frac,
    line.market_value / nullif(book.equity, 0) as net_exposure_frac,
    line.realised_pnl,
    line.unrealised_pnl,
    line.fees,
    line.dividends,
    line.pnl,
    line.pnl / nullif(book.equity - book.pnl, 0) as contribution_frac,
    line.realised_to_date,
    line.fees_to_date,
    line.dividends_to_date,
    line.pnl_to_date,
    max(line.pnl_to_date) over to_date - line.pnl_to_date as given_back
from {{ ref('stg_strategy_pnl') }} as line
left join {{ ref('stg_daily_pnl') }} as book
    on line.market = book.market and line.session = book.session
window to_date as (
    partition by line.market, line.strategy, line.symbol order by line.session
)
