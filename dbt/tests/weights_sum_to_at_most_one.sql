-- A book without leverage: no negative weight, and together at most the whole equity.
select market, session, sum(weight_frac) as total, min(weight_frac) as smallest
from {{ ref('stg_target_weights') }}
group by market, session
having sum(weight_frac) > 1 + 1e-9 or min(weight_frac) < 0
