-- IC of the forecasts that were traded on, one row a market and session: Pearson against the raw
-- label, and Spearman with average ranks. A session appears once its labels have closed.
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
    where labels.label is not null
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
    {{ correlation('score', 'label') }} as ic,
    {{ correlation('score_rank', 'label_rank') }} as rank_ic
from ranked
group by market, session
having count(*) >= {{ var('min_names') }}
