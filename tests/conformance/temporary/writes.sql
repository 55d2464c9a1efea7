CREATE TEMP TABLE sums AS SELECT o_orderstatus AS status, count(*) AS n, sum(o_totalprice) AS total, max(o_orderdate) AS latest FROM tpch.orders GROUP BY 1
SELECT * FROM sums ORDER BY 1
SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute WHERE attrelid = 'pg_temp.sums'::regclass AND attnum > 0 ORDER BY attnum
CREATE TEMP TABLE sums AS SELECT 1 AS a FROM tpch.region
CREATE TEMP TABLE IF NOT EXISTS sums AS SELECT 1 AS a FROM tpch.region
CREATE TEMPORARY TABLE names (key, name, extra) ON COMMIT PRESERVE ROWS AS (SELECT n_nationkey, n_name, 'x' FROM tpch.nation WHERE n_regionkey = 2) WITH DATA
SELECT * FROM names ORDER BY 1
CREATE TEMP TABLE hollow AS SELECT n_nationkey, n_name FROM tpch.nation WITH NO DATA
SELECT count(*) FROM hollow
SELECT r_regionkey AS key, r_name INTO TEMP TABLE regions FROM tpch.region WHERE r_regionkey > 1
SELECT * FROM regions ORDER BY 1
SELECT r_regionkey INTO pg_temp.others FROM tpch.region
SELECT count(*) FROM others
CREATE TEMP TABLE marked (id serial PRIMARY KEY, key int UNIQUE, name varchar(12) DEFAULT 'none', day date, checked bool DEFAULT true CHECK (checked))
INSERT INTO marked (key, name, day) SELECT n_nationkey, n_name, '2020-01-01' FROM tpch.nation WHERE n_nationkey < 4 ORDER BY n_nationkey
SELECT * FROM marked ORDER BY 1
INSERT INTO marked AS m (key) OVERRIDING USER VALUE (SELECT r_regionkey FROM tpch.region ORDER BY 1) ON CONFLICT (key) DO UPDATE SET name = 'again' RETURNING key, name
SELECT id, key, name FROM marked ORDER BY 1
INSERT INTO marked (key) SELECT 1 FROM tpch.region
INSERT INTO marked (key, name) SELECT 100, n_name || ' and much more' FROM tpch.nation
INSERT INTO marked (key, checked) SELECT 100, false FROM tpch.region LIMIT 1
INSERT INTO marked (key, day) VALUES (200, (SELECT max(o_orderdate) FROM tpch.orders)), (201, NULL)
INSERT INTO marked (key, day, name, checked) VALUES (202, '2020-01-01', (SELECT max(r_name) FROM tpch.region), DEFAULT), (203, NULL, DEFAULT, EXISTS (SELECT 1 FROM tpch.region)) RETURNING *
INSERT INTO marked (key, name) VALUES (204, (SELECT r_name FROM tpch.region)) -- more than one
CREATE TEMP TABLE remarked AS SELECT r_name FROM tpch.region -- all of it
SELECT r_name INTO TEMP unremarked FROM tpch.region -- all of it
SELECT (SELECT count(*) FROM remarked), (SELECT count(*) FROM unremarked)
EXPLAIN (COSTS off) SELECT 1 -- of nothing
WITH few AS (SELECT n_nationkey AS k FROM tpch.nation WHERE n_nationkey = 24) INSERT INTO marked (key) SELECT k FROM few RETURNING *
INSERT INTO marked (key) SELECT m.key + 1000 FROM marked m JOIN tpch.nation ON n_nationkey = m.key
UPDATE marked SET name = n_name FROM tpch.nation n WHERE n.n_nationkey = marked.key
UPDATE marked SET name = left((SELECT max(r_name) FROM tpch.region), 12) WHERE key = 0
DELETE FROM marked USING tpch.region WHERE key = r_regionkey + 1000
DELETE FROM marked WHERE key IN (SELECT n_nationkey FROM tpch.nation WHERE n_name LIKE 'A%')
MERGE INTO marked USING tpch.region ON key = r_regionkey WHEN MATCHED THEN UPDATE SET name = 'merged' WHEN NOT MATCHED THEN INSERT (key, name) VALUES (r_regionkey + 500, r_name)
SELECT key, name, day FROM marked ORDER BY 1
SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema() AND relname LIKE 'lakegate%'
SELECT m.name, n_name FROM marked m JOIN tpch.nation ON n_nationkey = m.key ORDER BY 1, 2
DISCARD TEMP
SELECT * FROM marked
