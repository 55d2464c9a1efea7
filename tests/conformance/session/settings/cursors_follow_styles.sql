BEGIN
DECLARE c CURSOR FOR SELECT o_orderdate FROM tpch.orders ORDER BY o_orderkey
FETCH c
SET DateStyle = 'German'
FETCH c
RESET DateStyle
FETCH c
COMMIT
