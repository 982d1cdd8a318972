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


{# Standard error of the mean, null below two values. #}
{% macro standard_error(column) -%}
stddev_samp({{ column }}) / sqrt(count({{ column }}))
{%- endmacro %}
