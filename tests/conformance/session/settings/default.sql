SET work_mem = '1MB'
BEGIN
SET LOCAL work_mem TO DEFAULT
SHOW work_mem
COMMIT
SHOW work_mem
SET work_mem TO DEFAULT
SHOW work_mem
RESET no_such
SET no_such TO DEFAULT
SET no_such = 1
RESET TimeZone
SHOW TimeZone
SET TIME ZONE LOCAL
SHOW TimeZone
