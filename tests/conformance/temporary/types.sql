CREATE TEMP TABLE every (b bool, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, n numeric, n2 numeric(12,4), t text, v varchar(5), y bytea, d date, ts timestamp, tz timestamptz, u uuid, nm name, o oid, k "char", j json, jb jsonb, li int[], lt text[], "Odd Name, really;" int, "A" int, "a" int)
INSERT INTO every VALUES (true, 1, -2, 3, 1.5, 2.25, 12345678901234567890.123, 3.14, 'ä€', 'five5', '\x00ff', '2020-02-29', '2020-02-29 12:34:56.789', '2020-02-29 12:34:56+02', '00000000-0000-0000-0000-00000000000a', 'named', 4000000000, 'k', '{"a": 1}', '{"b":[1,2]}', '{1,NULL,3}', '{x,"y z"}', 7, 8, 9)
INSERT INTO every (i4) VALUES (NULL)
SELECT e.*, r_name FROM every e, tpch.region WHERE r_regionkey = 0 ORDER BY e.b
SELECT "Odd Name, really;", "A", a FROM every, tpch.region WHERE r_regionkey = 1 ORDER BY 1
SELECT count(*) FROM every, tpch.region WHERE u = '00000000-0000-0000-0000-00000000000A' AND k = 'k' AND nm = 'named' AND o = 4000000000 AND n > 1
SELECT sum(n), max(n2), min(f8), max(ts), max(d) FROM every, tpch.nation
CREATE TEMP TABLE unlike (id int, at time, span interval, net inet)
INSERT INTO unlike VALUES (1, '12:00', '1 day', '10.0.0.1')
SELECT id, n_name FROM unlike JOIN tpch.nation ON n_nationkey = id
CREATE TEMP TABLE nothing (a int, s text)
SELECT a, s, r_name FROM nothing RIGHT JOIN tpch.region ON r_regionkey = a ORDER BY 3
