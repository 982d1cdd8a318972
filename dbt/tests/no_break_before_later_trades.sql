{{ config(meta={'dagster': {'ref': {'name': 'execution'}}}) }}
-- Trading waits for yesterday's books. A break that is still open in a session that has trades
-- after it means that the gate was passed.
select broken.market, broken.session, broken.breaks, min(traded.session) as traded_on
from {{ ref('execution') }} as broken
inner join {{ ref('execution') }} as traded
    on broken.market = traded.market and broken.session < traded.session
where broken.breaks > 0 and traded.fills > 0
group by broken.market, broken.session, broken.breaks
