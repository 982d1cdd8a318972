{{ config(meta={'dagster': {'ref': {'name': 'performance'}}}) }}
-- The ledger rounds to cents, so the sum may differ by half a cent a name.
select exposure.market, exposure.session, exposure.gross_exposure_frac, performance.market_value
from {{ ref('exposure') }} as exposure
inner join {{ ref('performance') }} as performance
    on exposure.market = performance.market and exposure.session = performance.session
where
    abs(exposure.net_exposure_frac * performance.equity - performance.market_value)
    > 0.01 + 0.005 * exposure.names
