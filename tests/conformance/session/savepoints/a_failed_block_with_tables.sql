BEGIN
SELECT count(*) FROM tpch.region
SAVEPOINT a
SELECT 1 / (r_regionkey - r_regionkey) FROM tpch.region
SELECT count(*) FROM tpch.region
ROLLBACK TO a
SELECT count(*) FROM tpch.region
COMMIT
