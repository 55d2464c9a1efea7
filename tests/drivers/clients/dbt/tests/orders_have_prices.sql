select o_orderkey from {{ source('tpch', 'orders') }} where o_totalprice < 0
