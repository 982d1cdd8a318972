{{ config(meta={'dagster': {'ref': {'name': 'execution'}}}) }}
-- Together the fills of an order are no larger than it. A fill without an order is only warned of,
-- by the relationship of `stg_fills`: what somebody once bought by hand stays in the books for good.
-- The marts are no parents of the failure: `execution` is built first, so that it can be looked at.
-- depends_on: {{ ref('execution') }}
with filled as (
    select market, session, client_order_id, sum(quantity_shares) as filled_shares
    from {{ ref('stg_fills') }}
    group by market, session, client_order_id
)

select filled.*, ordered.quantity_shares as ordered_shares
from filled
inner join {{ ref('stg_orders') }} as ordered
    on
        filled.market = ordered.market
        and filled.session = ordered.session
        and filled.client_order_id = ordered.client_order_id
where filled.filled_shares > ordered.quantity_shares
