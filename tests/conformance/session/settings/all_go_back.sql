SET TimeZone = 'Asia/Tokyo'
SET work_mem = '1MB'
RESET ALL
SHOW TimeZone
SHOW work_mem
SET work_mem = '1MB'
BEGIN
RESET ALL
SHOW work_mem
ROLLBACK
SHOW work_mem
DISCARD ALL
SHOW work_mem
BEGIN
DISCARD ALL
ROLLBACK
