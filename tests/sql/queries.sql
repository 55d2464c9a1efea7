-- One query a line. Names, scopes and clauses; DuckDB's lane must answer as PostgreSQL does, in order.
SELECT i4 - 1 AS i4 FROM samples.v WHERE i4 > 1 ORDER BY i4
SELECT -i4 AS i4 FROM samples.v ORDER BY i4
SELECT -i4 AS i4 FROM samples.v ORDER BY i4 + 0
SELECT i4 AS id, id AS i4 FROM samples.v ORDER BY id NULLS FIRST
SELECT b AS t, count(*) FROM samples.v GROUP BY b ORDER BY b
SELECT upper(t) AS big, count(*) FROM samples.v GROUP BY big ORDER BY big
SELECT upper(t), count(*) FROM samples.v GROUP BY 1 ORDER BY 1
SELECT b, sum(i2) FROM samples.v GROUP BY b HAVING sum(i2) > 3 ORDER BY 2 DESC, b
SELECT b, sum(i2) s FROM samples.v GROUP BY b ORDER BY s DESC NULLS LAST, b
SELECT id AS "Id", t AS "id" FROM samples.v ORDER BY "Id"
SELECT "Id" FROM (SELECT id AS "Id", i2 AS "ID" FROM samples.v) q ORDER BY "ID" NULLS FIRST, "Id"
SELECT * FROM samples.v ORDER BY id DESC LIMIT 2 OFFSET 1
SELECT v.*, w.id AS other FROM samples.v JOIN samples.v w ON w.id = v.i2 ORDER BY v.id
SELECT * FROM (SELECT id, i2 FROM samples.v) a JOIN (SELECT id, i4 FROM samples.v) b USING (id) ORDER BY id
SELECT id, a.i2, b.i2 FROM samples.v a LEFT JOIN (SELECT id, i2 FROM samples.v WHERE id > 3) b USING (id) ORDER BY id
SELECT id, a.id AS l, b.id AS r FROM (SELECT id FROM samples.v WHERE id < 4) a FULL JOIN (SELECT id FROM samples.v WHERE id > 2) b USING (id) ORDER BY id
SELECT id FROM (SELECT id FROM samples.v WHERE id < 4) a RIGHT JOIN (SELECT id FROM samples.v WHERE id > 2) b USING (id) ORDER BY id
SELECT * FROM (SELECT id, i2 FROM samples.v) a NATURAL JOIN (SELECT id, i2, t FROM samples.v) b ORDER BY id
SELECT x.p, x.q FROM (SELECT id, t FROM samples.v) AS x (p, q) ORDER BY p
SELECT p FROM samples.v AS x (p) ORDER BY p
SELECT samples.v.id FROM samples.v ORDER BY samples.v.id
WITH c AS (SELECT id, i2 FROM samples.v) SELECT c.id, d.i2 FROM c JOIN c d ON d.id = c.i2 ORDER BY 1
WITH c (x) AS (SELECT id FROM samples.v), d AS (SELECT x + 1 AS y FROM c) SELECT x, y FROM c, d WHERE x = y ORDER BY x
WITH v AS (SELECT id FROM samples.v WHERE id > 4) SELECT id FROM v ORDER BY id
SELECT (WITH c AS (SELECT max(id) m FROM samples.v) SELECT m FROM c) + id FROM samples.v ORDER BY 1
SELECT sum FROM (SELECT sum(i2) FROM samples.v) q
SELECT "?column?" FROM (SELECT i2 + 1 FROM samples.v WHERE id = 1) q
SELECT count, coalesce FROM (SELECT count(*), coalesce(max(i2), 0) FROM samples.v) q
SELECT id FROM samples.v UNION SELECT i2 FROM samples.v ORDER BY 1
SELECT id FROM samples.v UNION ALL SELECT i8 FROM samples.v ORDER BY id DESC LIMIT 4
SELECT id, n FROM samples.v INTERSECT SELECT id, n FROM samples.v WHERE id < 3 ORDER BY id
SELECT id FROM samples.v EXCEPT SELECT i2 FROM samples.v ORDER BY 1
(SELECT id FROM samples.v ORDER BY id DESC LIMIT 2) UNION ALL (SELECT id FROM samples.v ORDER BY id LIMIT 1) ORDER BY 1
SELECT DISTINCT b FROM samples.v ORDER BY b
SELECT DISTINCT ON (b) b, id FROM samples.v ORDER BY b, id DESC
SELECT v.id, w.m FROM samples.v, LATERAL (SELECT max(i2) AS m FROM samples.v x WHERE x.id <= v.id) w ORDER BY 1
SELECT id FROM samples.v v WHERE EXISTS (SELECT 1 FROM samples.v w WHERE w.i2 = v.id AND w.b) ORDER BY id
SELECT id FROM samples.v WHERE i2 NOT IN (SELECT id FROM samples.v WHERE id > 5) ORDER BY id
SELECT id FROM samples.v WHERE (i2, id) IN ((1, 1), (2, 3)) ORDER BY id
SELECT a.column1, b.t FROM (VALUES (1, 'x'), (2, NULL)) a JOIN samples.v b ON b.id = a.column1 ORDER BY 1
SELECT k, s FROM (VALUES (1, 2.5), (3, 4)) q (k, s) JOIN samples.v ON id = k ORDER BY 1
SELECT id, row_number() OVER w, sum(i2) OVER w FROM samples.v WINDOW w AS (PARTITION BY b ORDER BY id) ORDER BY id
SELECT b, rank() OVER (ORDER BY count(*) DESC), count(*) FROM samples.v GROUP BY b ORDER BY 1
SELECT id, t FROM samples.v ORDER BY b DESC, i2 ASC NULLS FIRST, id
SELECT id FROM samples.v ORDER BY t
SELECT 'x' AS c, NULL AS n, 1.50 AS m, true AS b FROM samples.v LIMIT 1
SELECT id FROM samples.v WHERE t LIKE 'h%' OR u = '%' ORDER BY id
SELECT CASE WHEN b THEN 'yes' ELSE 'no' END AS b, count(*) FROM samples.v GROUP BY CASE WHEN b THEN 'yes' ELSE 'no' END ORDER BY 1
SELECT id + 1 AS next, (id + 1) * 2 FROM samples.v GROUP BY id + 1, id ORDER BY id + 1
SELECT max(i2) FILTER (WHERE b), min(i2) FROM samples.v
SELECT count(*) FROM samples.v HAVING count(*) > 100
TABLE samples.v ORDER BY id
SELECT id FROM samples.v FETCH FIRST 0 ROWS ONLY
SELECT id, 1 AS "a""b", 2 AS "c`d", t AS "select" FROM samples.v ORDER BY id
SELECT array_agg(id ORDER BY id), array_agg(i4 ORDER BY id DESC), array_agg(DISTINCT b) FROM samples.v
SELECT b, array_agg(t ORDER BY id) FILTER (WHERE id < 5) FROM samples.v GROUP BY b ORDER BY b
SELECT array_agg(id) FROM samples.v WHERE id + 0 > 100
SELECT c_mktsegment, COALESCE(CAST(( SUM(DISTINCT (CAST(FLOOR(COALESCE(o_totalprice ,0)*(1000000*1.0)) AS DECIMAL(65,0))) + ('x' || MD5(o_orderkey::varchar))::bit(64)::bigint::DECIMAL(65,0)  *18446744073709551616 + ('x' || SUBSTR(MD5(o_orderkey::varchar),17))::bit(64)::bigint::DECIMAL(65,0) ) - SUM(DISTINCT ('x' || MD5(o_orderkey::varchar))::bit(64)::bigint::DECIMAL(65,0)  *18446744073709551616 + ('x' || SUBSTR(MD5(o_orderkey::varchar),17))::bit(64)::bigint::DECIMAL(65,0)) ) AS DOUBLE PRECISION) / CAST((1000000*1.0) AS DOUBLE PRECISION), 0) FROM tpch.customer LEFT JOIN tpch.orders ON c_custkey = o_custkey LEFT JOIN tpch.lineitem ON l_orderkey = o_orderkey GROUP BY 1 ORDER BY 1 FETCH NEXT 500 ROWS ONLY
SELECT b, COALESCE(COALESCE(( SUM(DISTINCT (CAST(FLOOR(COALESCE(m ,0)*(1000000*1.0)) AS DECIMAL(65,0))) + ('x' || MD5(v.id::varchar))::bit(64)::bigint::DECIMAL(65)  *18446744073709551616 + ('x' || SUBSTR(MD5(v.id::varchar),17))::bit(64)::bigint::DECIMAL(65) ) - SUM(DISTINCT ('x' || MD5(v.id::varchar))::bit(64)::bigint::DECIMAL(65)  *18446744073709551616 + ('x' || SUBSTR(MD5(v.id::varchar),17))::bit(64)::bigint::DECIMAL(65)) ) / (1000000*1.0), 0), 0) FROM samples.v, tpch.region WHERE v.id <> 5 GROUP BY 1 ORDER BY 1
SELECT ( SUM(DISTINCT (CAST(FLOOR(COALESCE(f8 ,0)*(1000000*1.0)) AS DECIMAL(65,0))) + ('x' || MD5(v.id::varchar))::bit(64)::bigint::DECIMAL(65,0)  *18446744073709551616 + ('x' || SUBSTR(MD5(v.id::varchar),17))::bit(64)::bigint::DECIMAL(65,0) ) - SUM(DISTINCT ('x' || MD5(v.id::varchar))::bit(64)::bigint::DECIMAL(65,0)  *18446744073709551616 + ('x' || SUBSTR(MD5(v.id::varchar),17))::bit(64)::bigint::DECIMAL(65,0)) ), ( SUM(DISTINCT (CAST(FLOOR(COALESCE(i8 ,0)*(1000000*1.0)) AS DECIMAL(65,0))) + ('x' || MD5(v.id::varchar))::bit(64)::bigint::DECIMAL(65,0)  *18446744073709551616 + ('x' || SUBSTR(MD5(v.id::varchar),17))::bit(64)::bigint::DECIMAL(65,0) ) - SUM(DISTINCT ('x' || MD5(v.id::varchar))::bit(64)::bigint::DECIMAL(65,0)  *18446744073709551616 + ('x' || SUBSTR(MD5(v.id::varchar),17))::bit(64)::bigint::DECIMAL(65,0)) ), ( SUM(DISTINCT (CAST(FLOOR(COALESCE(NULL::numeric(4,1) ,0)*(1000000*1.0)) AS DECIMAL(65,0))) + ('x' || MD5(v.id::varchar))::bit(64)::bigint::DECIMAL(65,0)  *18446744073709551616 + ('x' || SUBSTR(MD5(v.id::varchar),17))::bit(64)::bigint::DECIMAL(65,0) ) - SUM(DISTINCT ('x' || MD5(v.id::varchar))::bit(64)::bigint::DECIMAL(65,0)  *18446744073709551616 + ('x' || SUBSTR(MD5(v.id::varchar),17))::bit(64)::bigint::DECIMAL(65,0)) ) FROM samples.v JOIN tpch.nation ON n_regionkey < v.id
SELECT ( SUM(DISTINCT (CAST(FLOOR(COALESCE(m ,0)*(1000000*1.0)) AS DECIMAL(65,0))) + ('x' || MD5(NULL::varchar))::bit(64)::bigint::DECIMAL(65,0)  *18446744073709551616 + ('x' || SUBSTR(MD5(NULL::varchar),17))::bit(64)::bigint::DECIMAL(65,0) ) - SUM(DISTINCT ('x' || MD5(NULL::varchar))::bit(64)::bigint::DECIMAL(65,0)  *18446744073709551616 + ('x' || SUBSTR(MD5(NULL::varchar),17))::bit(64)::bigint::DECIMAL(65,0)) ) FROM samples.v
SELECT ( SUM(DISTINCT (CAST(FLOOR(COALESCE(m ,0)*(1000000*1.0)) AS DECIMAL(65,0))) + ('x' || MD5(t::varchar))::bit(64)::bigint::DECIMAL(65,0)  *18446744073709551616 + ('x' || SUBSTR(MD5(t::varchar),17))::bit(64)::bigint::DECIMAL(65,0) ) - SUM(DISTINCT ('x' || MD5(t::varchar))::bit(64)::bigint::DECIMAL(65,0)  *18446744073709551616 + ('x' || SUBSTR(MD5(t::varchar),17))::bit(64)::bigint::DECIMAL(65,0)) ) FROM samples.v WHERE false
SELECT * FROM ( SELECT *, DENSE_RANK() OVER (ORDER BY z___min_rank) as z___pivot_row_rank, RANK() OVER (PARTITION BY z__pivot_col_rank ORDER BY z___min_rank) as z__pivot_col_ordering, CASE WHEN z___min_rank = z___rank THEN 1 ELSE 0 END AS z__is_highest_ranked_cell FROM ( SELECT *, MIN(z___rank) OVER (PARTITION BY "orders.priority") as z___min_rank FROM ( SELECT *, RANK() OVER (ORDER BY CASE WHEN z__pivot_col_rank=1 THEN (CASE WHEN "orders.count" IS NOT NULL THEN 0 ELSE 1 END) ELSE 2 END, CASE WHEN z__pivot_col_rank=1 THEN "orders.count" ELSE NULL END DESC, "orders.count" DESC, z__pivot_col_rank, "orders.priority") AS z___rank FROM ( SELECT *, DENSE_RANK() OVER (ORDER BY CASE WHEN "orders.status" IS NULL THEN 1 ELSE 0 END, "orders.status") AS z__pivot_col_rank FROM ( SELECT orders.o_orderstatus AS "orders.status", orders.o_orderpriority AS "orders.priority", COUNT(*) AS "orders.count", COALESCE(SUM(orders.o_totalprice ), 0) AS "orders.total" FROM tpch.orders AS orders WHERE ((( orders.o_orderdate ) >= ((DATE_TRUNC('day', DATE '1995-01-31'))) AND ( orders.o_orderdate ) < ((DATE_TRUNC('day', DATE '1996-01-31'))))) AND (orders.o_orderpriority ) IS NOT NULL GROUP BY 1, 2) ww ) bb WHERE z__pivot_col_rank <= 16384 ) aa ) xx ) zz WHERE (z__pivot_col_rank <= 50 OR z__is_highest_ranked_cell = 1) AND (z___pivot_row_rank <= 500 OR z__pivot_col_ordering = 1) ORDER BY z___pivot_row_rank, z__pivot_col_rank
SELECT (TO_CHAR(DATE_TRUNC('month', v.ts AT TIME ZONE 'UTC' AT TIME ZONE 'America/Chicago'), 'YYYY-MM')) AS "v.month", (DATE(v.tz AT TIME ZONE 'America/Chicago')) AS "v.date", COUNT(DISTINCT v.id ) AS "v.count" FROM samples.v AS v WHERE ((( v.ts ) >= ((SELECT TIMESTAMP '1999-01-01' AT TIME ZONE 'America/Chicago' AT TIME ZONE 'UTC')) AND ( v.ts ) < ((SELECT (DATE_TRUNC('year', DATE_TRUNC('day', TIMESTAMPTZ '2023-05-06 07:08:09+00' AT TIME ZONE 'America/Chicago')) + (1 || ' year')::INTERVAL))))) GROUP BY (DATE_TRUNC('month', v.ts AT TIME ZONE 'UTC' AT TIME ZONE 'America/Chicago')), 2 ORDER BY 1 DESC, 2 FETCH NEXT 500 ROWS ONLY
