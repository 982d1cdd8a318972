-- IC by market and month with its standard error. `origin` says whose: `forecasts` are the scores
-- that were traded on, by month of the session; `candidate` and `champion` are the out-of-sample
-- blocks of training, by training month, judged by the labels that the candidate learned. Errors and
-- t are null where labels are held over more than one session.
with every_session as (
    select market, date_trunc('month', session)::date as month, 'forecasts' as origin,
        ic, rank_ic, names, {{ label_horizon() }} as horizon
    from {{ ref('signal_sessions') }}
    union all
    select market, month, evaluation.role as origin,
        evaluation.ic, evaluation.rank_ic, evaluation.names,
        coalesce(candidate.horizon_sessions, {{ label_horizon() }}) as horizon
    from {{ ref('stg_evaluation') }} as evaluation
    left join {{ ref('stg_candidate_model') }} as candidate using (market, month)
)

select
    market,
    month,
    origin,
    count(rank_ic) as sessions,
    avg(names) filter (where rank_ic is not null) as mean_names,
    avg(ic) as ic_mean,
    {{ standard_error('ic', 'horizon') }} as ic_se,
    avg(rank_ic) as rank_ic_mean,
    {{ standard_error('rank_ic', 'horizon') }} as rank_ic_se,
    avg(rank_ic) / nullif({{ standard_error('rank_ic', 'horizon') }}, 0) as rank_ic_t,
    avg(case when rank_ic > 0 then 1.0 when rank_ic is not null then 0.0 end) as share_positive_frac
from every_session
group by market, month, origin
