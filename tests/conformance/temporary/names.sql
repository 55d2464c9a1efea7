SET search_path = tpch, public
SELECT count(*) FROM region
CREATE TEMP TABLE region AS SELECT r_regionkey, upper(r_name) AS r_name FROM tpch.region WHERE r_regionkey < 2
SELECT * FROM region ORDER BY 1
SELECT t.r_name, n_name FROM region t JOIN nation ON n_regionkey = t.r_regionkey WHERE n_nationkey < 4 ORDER BY 2
SELECT a.r_name, b.r_name FROM pg_temp.region a JOIN tpch.region b USING (r_regionkey) ORDER BY 1
SET search_path = tpch, pg_temp
SELECT count(*) FROM region, nation
SELECT count(*) FROM pg_temp.region, nation
INSERT INTO pg_temp.region SELECT r_regionkey, r_name FROM region WHERE r_regionkey = 4
SELECT count(*) FROM pg_temp.region
DROP TABLE pg_temp.region
SELECT count(*) FROM region, nation
