{% test between(model, column_name, least, greatest) %}
select *
from {{ model }}
where {{ column_name }} < {{ least }} or {{ column_name }} > {{ greatest }}
{% endtest %}
