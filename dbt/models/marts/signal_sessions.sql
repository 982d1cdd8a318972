-- IC of the forecasts that were traded on, one row a market and session: Pearson against the raw
-- label, and Spearman with average ranks; null where the names are too few or do not vary. A session
-- appears once its labels have closed.
with paired as (
    select
        forecasts.market,
        forecasts.session,
        forecasts.score,
        labels.label
    from {{ ref('stg_forecasts') }} as forecasts
    inner join {{ ref('stg_labels') }} as labels
        on
            forecasts.market = labels.market
            and forecasts.session = labels.session
            and forecasts.symbol = labels.symbol
    where isfinite(labels.label) and isfinite(forecasts.score)
),

ranked as (
    select
        *,
        {{ average_rank('score', 'market, session') }} as score_rank,
        {{ average_rank('label', 'market, session') }} as label_rank
    from paired
)

select
    market,
    session,
    count(*) as names,
    {{ correlation('score', 'label', least_names()) }} as ic,
    {{ correlation('score_rank', 'label_rank', least_names()) }} as rank_ic
from ranked
group by market, session
