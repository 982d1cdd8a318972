{#
  One lake table of every market, with a leading `market` column.

  Its columns and types are those that sources.yml declares, which are the frame schema's own: files
  may be older than a column, some or all of them, and have nulls there. read_parquet fails on a
  glob without files, and a market that has not traded yet has none: whether there are any is asked
  at every build.
#}
{% macro from_lake(table) %}
  {%- for market in var('markets') %}
    {%- set relation = source(market, table) %}
    {%- if not loop.first %}
union all
    {%- endif %}
    {%- if not execute %}
select 1
    {%- else %}
      {%- set columns = lake_columns(market, table) %}
select
  '{{ market }}' as market
      {%- for column in columns %},
  "{{ column.name }}"
      {%- endfor %}
from (
  select
      {%- for column in columns %}
    cast(null as {{ column.data_type }}) as "{{ column.name }}"{{ "," if not loop.last }}
      {%- endfor %}
  where false
      {%- if lake_has_files(relation) %}
  union all by name
  select * from read_parquet({{ relation }}, union_by_name = true)
      {%- endif %}
)
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
