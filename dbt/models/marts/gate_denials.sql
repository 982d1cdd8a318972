-- What each gate held back, by session: orders it denied because a limit was passed or because it
-- did not know. An order that several gates deny counts at each of them.
select
    market,
    session,
    number,
    gate,
    count(*) as orders,
    count(*) filter (where outcome = 'fail') as failed,
    count(*) filter (where outcome = 'unknown') as unknown,
    count(*) filter (where outcome = 'skipped') as skipped,
    count(*) filter (where outcome in ('fail', 'unknown')) / count(*) as denied_frac,
    min(reason) filter (where outcome in ('fail', 'unknown')) as example
from {{ ref('stg_gate_results') }}
group by market, session, number, gate
