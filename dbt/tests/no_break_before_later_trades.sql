{{ config(meta={'dagster': {'ref': {'name': 'execution'}}}) }}
-- What differs holds back new risk in its symbol, and cash in all of them, until a person has
-- acknowledged it and the session was compared again. A buy in the very next session, while the
-- break is still stored, means that the gate was passed. Facts that the ledger only had to adopt
-- name an execution or a booking, and hold nothing back.
with following as (
    select market, session, lead(session) over (partition by market order by session) as next_session
    from {{ ref('execution') }}
)

select broken.market, broken.session, broken.kind, broken.symbol, count(*) as buys
from {{ ref('stg_breaks') }} as broken
inner join following
    on broken.market = following.market and broken.session = following.session
inner join {{ ref('stg_fills') }} as bought
    on
        bought.market = broken.market
        and bought.session = following.next_session
        and bought.side = 'buy'
        and broken.symbol in ('', bought.symbol)
where broken.reference = '' or broken.kind in ('orphan_order', 'stale_order')
group by broken.market, broken.session, broken.kind, broken.symbol
