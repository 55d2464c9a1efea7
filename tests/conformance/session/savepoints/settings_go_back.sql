SET TimeZone = 'Asia/Tokyo'
BEGIN
SET TimeZone = 'Europe/Rome'
SAVEPOINT a
SET TimeZone = 'Asia/Kabul'
SET LOCAL DateStyle = German
SELECT now()::text IS NULL
SAVEPOINT b
RESET TimeZone
SHOW TimeZone
ROLLBACK TO b
SHOW TimeZone
SHOW DateStyle
ROLLBACK TO a
SHOW TimeZone
SHOW DateStyle
SET LOCAL IntervalStyle = iso_8601
RELEASE a
SHOW IntervalStyle
COMMIT
SHOW TimeZone
SHOW IntervalStyle
