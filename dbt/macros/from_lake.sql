{#
  One lake table of every market, with a leading `market` column.

  read_parquet fails on a glob without files, and a market that has not traded yet has none. Such a
  table becomes an empty relation of the columns and types that sources.yml declares, which are the
  frame schema's own. Which of the two it is, is decided at every build.
#}
{% macro from_lake(table) %}
  {%- for market in var('markets') %}
    {%- set relation = source(market, table) %}
    {%- if not loop.first %}
union all
    {%- endif %}
    {%- if not execute %}
select 1
    {%- elif lake_has_files(relation) %}
select
  '{{ market }}' as market
      {%- for column in lake_columns(market, table) %},
  "{{ column.name }}"
      {%- endfor %}
from {{ relation }}
    {%- else %}
select
  '{{ market }}' as market
      {%- for column in lake_columns(market, table) %},
  cast(null as {{ column.data_type }}) as "{{ column.name }}"
      {%- endfor %}
where false
    {%- endif %}
  {%- endfor %}
{% endmacro %}


{% macro lake_columns(market, table) %}
  {%- set found = graph.sources.values()
      | selectattr('source_name', 'equalto', market)
      | selectattr('name', 'equalto', table)
      | first %}
  {{- return(found.columns.values() | list) }}
{% endmacro %}


{% macro lake_has_files(relation) %}
  {%- set found = run_query('select count(*) from glob(' ~ relation ~ ')') %}
  {{- return(found.columns[0].values()[0] > 0) }}
{% endmacro %}
