CREATE TEMP TABLE few (k int CHECK (k < 9))
INSERT INTO few VALUES (1)
INSERT INTO few SELECT f.k + 100 FROM few f, tpch.region
SELECT * FROM few ORDER BY 1
INSERT INTO few SELECT f.k + 1 FROM few f, tpch.region
INSERT INTO few SELECT r_regionkey FROM tpch.region, pg_class WHERE relname = 'pg_class' RETURNING 1 / (k - 3)
CREATE TEMP TABLE few AS SELECT f.k FROM few f, tpch.region
CREATE TEMP TABLE more AS SELECT f.k FROM few f, tpch.region WHERE r_regionkey = 0
UPDATE few SET k = k + r_regionkey + 5 FROM tpch.region WHERE r_regionkey = (SELECT max(k) FROM more)
SELECT * FROM few ORDER BY 1
SELECT * FROM more ORDER BY 1
SELECT * FROM few ORDER BY 1
DELETE FROM few USING tpch.region WHERE k = r_regionkey + 1
SELECT * FROM few ORDER BY 1
SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema() AND relname LIKE 'lakegate%'
