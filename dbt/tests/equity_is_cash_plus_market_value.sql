select market, session, equity, cash, market_value
from {{ ref('performance') }}
where abs(equity - cash - market_value) > 0.01
