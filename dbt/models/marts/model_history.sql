-- One row a market and training month: the candidate, who trades after it and why, and the worst
-- overall drift level seen in the sessions of that month.
with drifted as (
    select
        market,
        date_trunc('month', session)::date as month,
        max(case level when 'red' then 2 when 'yellow' then 1 else 0 end) as level_number
    from {{ ref('stg_drift_report') }}
    where kind = 'overall'
    group by market, date_trunc('month', session)
)

select
    champion.market,
    champion.month,
    champion.effective_from,
    champion.candidate_version,
    champion.model_version as champion_version,
    champion.is_promoted,
    candidate.kind as candidate_kind,
    candidate.feature_set_version,
    candidate.trained_through,
    candidate.train_rows,
    champion.candidate_rank_ic,
    champion.candidate_rank_ic_se,
    champion.champion_rank_ic,
    champion.reason,
    case drifted.level_number when 2 then 'red' when 1 then 'yellow' when 0 then 'green' end
        as worst_drift_level
from {{ ref('stg_champion') }} as champion
left join {{ ref('stg_candidate_model') }} as candidate
    on champion.market = candidate.market and champion.month = candidate.month
left join drifted
    on champion.market = drifted.market and champion.month = drifted.month
