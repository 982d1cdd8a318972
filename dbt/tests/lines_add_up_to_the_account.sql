{{ config(meta={'dagster': {'ref': {'name': 'pnl_by_symbol'}}}) }}
-- Together the lines of all strategies are the account's profit, fees and market value. What was
-- realised is, too, unless two strategies hold a symbol at costs of their own. Rows from before
-- deposits were kept counted neither what came late.
select
    line.market,
    line.session,
    sum(line.pnl) as pnl,
    sum(line.fees) as fees,
    sum(line.realised_pnl) as realised_pnl,
    sum(line.market_value) as market_value
from {{ ref('pnl_by_symbol') }} as line
inner join {{ ref('stg_daily_pnl') }} as book
    on line.market = book.market and line.session = book.session
group by
    line.market,
    line.session,
    book.pnl,
    book.fees,
    book.realised_pnl,
    book.market_value,
    book.deposits
having
    abs(sum(line.pnl) - book.pnl) > 0.01
    or abs(sum(line.market_value) - book.market_value) > 0.01
    or (book.deposits is not null and abs(sum(line.fees) - book.fees) > 0.01)
    or (
        book.deposits is not null
        and count(*) = count(distinct line.symbol)
        and abs(sum(line.realised_pnl) - book.realised_pnl) > 0.01
    )
