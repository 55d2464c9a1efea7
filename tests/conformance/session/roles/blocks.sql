BEGIN
SET ROLE crew
SELECT current_user
ROLLBACK
SELECT current_user
BEGIN
SET ROLE crew
SELECT current_user
COMMIT
SELECT current_user
BEGIN
SET LOCAL ROLE fleet
SELECT current_user
COMMIT
SELECT current_user
BEGIN
SAVEPOINT a
SET ROLE fleet
SELECT current_user, count(*) FROM tpch.nation
SELECT count(*) FROM tpch.region
ROLLBACK TO a
SELECT current_user
SET LOCAL ROLE NONE
SELECT current_user, count(*) FROM tpch.customer
RELEASE a
SELECT current_user
COMMIT
SHOW role
SELECT current_user
SET LOCAL ROLE fleet
SELECT current_user
BEGIN
SET ROLE NONE
SELECT 1/0
ROLLBACK
SELECT current_user
BEGIN
SET ROLE NONE
SELECT current_user, count(*) FROM tpch.region
ROLLBACK
SELECT current_user
SET ROLE fleet; SELECT 1/0
SELECT current_user
SET ROLE fleet; SELECT current_user; SELECT count(*) FROM tpch.nation; SELECT count(*) FROM tpch.region
SELECT current_user
SET LOCAL ROLE fleet; SELECT current_user, count(*) FROM tpch.nation; SELECT current_user
SELECT current_user
