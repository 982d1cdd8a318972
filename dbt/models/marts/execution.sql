-- Orders, fills, their cost and the breaks that are still open, one row a market and session in
-- which there was any of them.
with ordered as (
    select market, session,
        count(*) as orders,
        count(*) filter (where status in ('rejected', 'denied')) as refused_orders,
        count(*) filter (where status = 'unknown') as unknown_orders,
        sum(quantity_shares) filter (where status in ('acked', 'unknown')) as ordered_shares
    from {{ ref('stg_orders') }}
    group by market, session
),

filled as (
    select market, session,
        count(*) as fills,
        sum(quantity_shares) as filled_shares,
        sum(quantity_shares * price) as traded_notional,
        sum(fee) as fees
    from {{ ref('stg_fills') }}
    group by market, session
),

broken as (
    select market, session, count(*) as breaks
    from {{ ref('stg_breaks') }}
    group by market, session
)

select
    market,
    session,
    coalesce(ordered.orders, 0) as orders,
    coalesce(ordered.refused_orders, 0) as refused_orders,
    coalesce(ordered.unknown_orders, 0) as unknown_orders,
    coalesce(filled.fills, 0) as fills,
    coalesce(ordered.ordered_shares, 0) as ordered_shares,
    coalesce(filled.filled_shares, 0) as filled_shares,
    filled.filled_shares / nullif(ordered.ordered_shares, 0) as filled_frac,
    coalesce(filled.traded_notional, 0) as traded_notional,
    coalesce(filled.fees, 0) as fees,
    filled.fees / nullif(filled.traded_notional, 0) * 10000 as fee_bps,
    coalesce(broken.breaks, 0) as breaks
from ordered
full join filled using (market, session)
full join broken using (market, session)
