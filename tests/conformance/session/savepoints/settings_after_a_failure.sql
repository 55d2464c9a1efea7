BEGIN
SET TimeZone = 'Asia/Kabul'
SAVEPOINT a
SET TimeZone = 'Nowhere'
ROLLBACK TO a
SHOW TimeZone
SELECT '2026-01-01 00:00+00'::timestamptz
COMMIT
SHOW TimeZone
