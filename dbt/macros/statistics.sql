{# Ranks from 1 with ties sharing their mean rank, as Spearman's correlation wants them. #}
{% macro average_rank(column, within) -%}
rank() over (partition by {{ within }} order by {{ column }})
  + (count(*) over (partition by {{ within }}, {{ column }}) - 1) / 2.0
{%- endmacro %}


{# DuckDB answers NaN for the correlation with a constant; it is unknown, hence null. #}
{% macro correlation(x, y) -%}
case when isnan(corr({{ x }}, {{ y }})) then null else corr({{ x }}, {{ y }}) end
{%- endmacro %}


{# Standard error of the mean, null below two values. #}
{% macro standard_error(column) -%}
stddev_samp({{ column }}) / sqrt(count({{ column }}))
{%- endmacro %}
