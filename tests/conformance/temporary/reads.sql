CREATE TEMP TABLE wanted (id bigint, label text, rate numeric(6,2), day date)
INSERT INTO wanted VALUES (1, 'one', 1.50, '1996-01-02'), (3, 'three', NULL, '1993-10-14'), (99999999, 'none', 2.25, NULL)
SELECT w.label, o.o_orderdate, o.o_totalprice, w.rate, w.day FROM wanted w JOIN tpch.orders o ON o.o_orderkey = w.id ORDER BY 1
SELECT w.*, n.n_name FROM wanted AS w LEFT JOIN tpch.nation n ON n.n_nationkey = w.id ORDER BY w.id
SELECT count(*) FROM tpch.nation, wanted
SELECT o_orderkey, o_orderstatus FROM tpch.orders WHERE o_orderkey IN (SELECT id FROM wanted) ORDER BY 1
SELECT id FROM wanted w WHERE NOT EXISTS (SELECT 1 FROM tpch.orders o WHERE o.o_orderkey = w.id)
WITH few AS (SELECT id, label FROM wanted WHERE id < 10), many AS (SELECT o_orderkey AS id, o_totalprice AS price FROM tpch.orders) SELECT few.label, many.price FROM few JOIN many USING (id) ORDER BY 1
SELECT id::int AS k, label FROM wanted WHERE id < 5 UNION ALL SELECT r_regionkey, r_name FROM tpch.region ORDER BY 1, 2
SELECT r_name, (SELECT max(label) FROM wanted) AS most FROM tpch.region ORDER BY 1
SELECT a.label, b.label FROM wanted a JOIN wanted b ON a.id < b.id JOIN tpch.region r ON r.r_regionkey = a.id ORDER BY 1, 2
SELECT x.k, n_name FROM wanted AS x(k, l) JOIN tpch.nation ON n_nationkey = x.k ORDER BY 1
SELECT w.day - o.o_orderdate AS apart, w.rate * o.o_shippriority AS nothing FROM wanted w JOIN tpch.orders o ON o.o_orderkey = w.id ORDER BY 1
EXPLAIN SELECT id FROM wanted WHERE false
DROP TABLE wanted
SELECT * FROM wanted, tpch.region
