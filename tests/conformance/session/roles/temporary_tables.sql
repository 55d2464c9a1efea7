CREATE TEMP TABLE mine AS SELECT r_regionkey AS a FROM tpch.region
SET ROLE crew
SELECT * FROM mine
INSERT INTO mine SELECT r_regionkey FROM tpch.region
CREATE TEMP TABLE ours (a integer)
INSERT INTO ours SELECT r_regionkey FROM tpch.region
SELECT count(*) FROM ours JOIN tpch.region ON a = r_regionkey
SELECT count(*) FROM mine JOIN tpch.region ON a = r_regionkey
SELECT count(*) FROM ours JOIN tpch.customer ON a = c_custkey
INSERT INTO ours SELECT c_custkey FROM tpch.customer
RESET ROLE
SELECT count(*) FROM ours
SELECT count(*) FROM mine JOIN ours USING (a)
DROP TABLE mine
SET ROLE fleet
DROP TABLE ours
RESET ROLE
DROP TABLE ours
