{{ config(materialized='incremental', unique_key='orderkey', on_schema_change='append_new_columns') }}
select o_orderkey as orderkey, o_totalprice as total, o_orderdate as ordered
{% if is_incremental() %}, o_custkey as customer, o_orderpriority as priority{% endif %}
from {{ source('tpch', 'orders') }}
where o_totalprice > 400000
{% if is_incremental() %}
  and o_orderdate > (select max(ordered) from {{ this }}) - 60
{% else %}
  and o_orderdate < date '1997-01-01'
{% endif %}
