-- IC by market and month with its standard error. `origin` says whose: `forecasts` are the scores
-- that were traded on, by month of the session; `candidate` and `champion` are the out-of-sample
-- blocks of training, by training month.
with every_session as (
    select market, date_trunc('month', session)::date as month, 'forecasts' as origin,
        ic, rank_ic, names
    from {{ ref('signal_sessions') }}
    union all
    select market, month, role as origin, ic, rank_ic, names
    from {{ ref('stg_evaluation') }}
)

select
    market,
    month,
    origin,
    count(rank_ic) as sessions,
    avg(names) filter (where rank_ic is not null) as mean_names,
    avg(ic) as ic_mean,
    {{ standard_error('ic') }} as ic_se,
    avg(rank_ic) as rank_ic_mean,
    {{ standard_error('rank_ic') }} as rank_ic_se,
    avg(rank_ic) / nullif({{ standard_error('rank_ic') }}, 0) as rank_ic_t,
    avg(case when rank_ic > 0 then 1.0 when rank_ic is not null then 0.0 end) as share_positive_frac
from every_session
group by market, month, origin
