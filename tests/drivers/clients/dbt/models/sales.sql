{{ config(materialized='table') }}
select nation, region, orders, total, (total * rate)::numeric(20, 2) as in_dollars
from {{ ref('nations') }} join {{ ref('totals') }} using (nationkey) join {{ ref('rates') }} on code = 'USD'
