{# Ranks from 1 with ties sharing their mean rank, as Spearman's correlation wants them. #}
{% macro average_rank(column, within) -%}
rank() over (partition by {{ within }} order by {{ column }})
  + (count(*) over (partition by {{ within }}, {{ column }}) - 1) / 2.0
{%- endmacro %}


{# Correlation; unknown, hence null, where either side does not vary or the names are too few. #}
{% macro correlation(x, y, least) -%}
case
    when count(*) >= {{ least }} and min({{ x }}) < max({{ x }}) and min({{ y }}) < max({{ y }})
        then corr({{ x }}, {{ y }})
end
{%- endmacro %}


{# Names that a cross-section of a market needs for an IC: the market's own setting, if there is one. #}
{% macro least_names() -%}
case
{%- for market, least in var('min_names_by_market').items() %}
    when market = '{{ market }}' then {{ least }}
{%- endfor %}
    when true then {{ var('min_names') }}
end
{%- endmacro %}


{# Sessions between entry and exit of the labels that forecasts of a market are measured by. #}
{% macro label_horizon() -%}
case
{%- for market, horizon in var('label_horizon_by_market').items() %}
    when market = '{{ market }}' then {{ horizon }}
{%- endfor %}
    when true then {{ var('label_horizon') }}
end
{%- endmacro %}


{#
  Standard error of the mean, null below two values, and where a value is of labels held over more
  than one session: those overlap, and the plain error is much too small. The report has theirs.
#}
{% macro standard_error(column, horizon) -%}
case when max({{ horizon }}) = 1 then stddev_samp({{ column }}) / sqrt(count({{ column }})) end
{%- endmacro %}
