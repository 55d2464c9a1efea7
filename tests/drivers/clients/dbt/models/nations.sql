{{ config(materialized='view') }}
select n_nationkey as nationkey, n_name as nation, r_name as region
from {{ source('tpch', 'nation') }} join {{ source('tpch', 'region') }} on n_regionkey = r_regionkey
