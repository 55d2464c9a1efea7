BEGIN
CREATE TEMP TABLE t ON COMMIT DROP AS SELECT n_nationkey AS k, n_name AS v FROM tpch.nation WHERE n_nationkey < 3
SELECT t.v, r_name FROM t JOIN tpch.region ON r_regionkey = t.k ORDER BY 1
SAVEPOINT a
INSERT INTO t SELECT n_nationkey, n_name FROM tpch.nation WHERE n_nationkey > 22
SELECT count(*) FROM t, tpch.region
ROLLBACK TO a
SELECT count(*) FROM t, tpch.region
INSERT INTO t SELECT n_nationkey / (n_nationkey - 7), n_name FROM tpch.nation
SELECT count(*) FROM t, tpch.region
ROLLBACK TO a
SELECT count(*) FROM t, tpch.region
COMMIT
SELECT * FROM t
CREATE TEMP TABLE kept (k int)
BEGIN
INSERT INTO kept SELECT r_regionkey FROM tpch.region
SELECT count(*) FROM kept JOIN tpch.region ON k = r_regionkey
ROLLBACK
SELECT count(*) FROM kept JOIN tpch.region ON k = r_regionkey
BEGIN ISOLATION LEVEL REPEATABLE READ
INSERT INTO kept SELECT r_regionkey FROM tpch.region
COMMIT
SELECT count(*) FROM kept JOIN tpch.region ON k = r_regionkey
CREATE TEMP TABLE swept (k int) ON COMMIT DELETE ROWS
INSERT INTO swept SELECT r_regionkey FROM tpch.region
SELECT count(*) FROM swept
BEGIN
INSERT INTO swept SELECT r_regionkey FROM tpch.region
DECLARE c CURSOR FOR SELECT s.k, r_name FROM swept s JOIN tpch.region ON r_regionkey = s.k ORDER BY 1
FETCH 2 FROM c
DELETE FROM swept
FETCH 2 FROM c
COMMIT
DECLARE h CURSOR WITH HOLD FOR SELECT k, r_name FROM kept JOIN tpch.region ON r_regionkey = k ORDER BY 1
DROP TABLE kept
FETCH ALL FROM h
CLOSE h
