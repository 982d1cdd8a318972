-- What arrived, what the gates said and whether the session was let through, one row a market and
-- session that has bars.
with arrived as (
    select market, session, count(*) as bars,
        count(*) filter (where is_suspended) as suspended_bars
    from {{ ref('stg_adjusted_bars') }}
    group by market, session
),

validated as (
    select market, session, count(*) as validated_bars
    from {{ ref('stg_validated_bars') }}
    group by market, session
),

quarantined as (
    select market, session, count(*) as quarantined_bars
    from {{ ref('stg_quarantined_bars') }}
    group by market, session
),

findings as (
    select market, session,
        count(*) filter (where severity = 'warn') as warn_findings,
        count(*) filter (where severity = 'quarantine') as quarantine_findings,
        count(*) filter (where severity = 'block') as block_findings
    from {{ ref('stg_bar_findings') }}
    group by market, session
)

select
    arrived.market,
    arrived.session,
    arrived.bars,
    arrived.suspended_bars,
    coalesce(validated.validated_bars, 0) as validated_bars,
    coalesce(quarantined.quarantined_bars, 0) as quarantined_bars,
    coalesce(findings.warn_findings, 0) as warn_findings,
    coalesce(findings.quarantine_findings, 0) as quarantine_findings,
    coalesce(findings.block_findings, 0) as block_findings,
    validated.session is not null as is_validated
from arrived
left join validated using (market, session)
left join quarantined using (market, session)
left join findings using (market, session)
