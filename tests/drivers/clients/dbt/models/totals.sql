{{ config(materialized='ephemeral') }}
select c_nationkey as nationkey, count(*) as orders, sum(o_totalprice) as total
from {{ source('tpch', 'orders') }} join {{ source('tpch', 'customer') }} on o_custkey = c_custkey
group by c_nationkey
