BEGIN
SET LOCAL work_mem = '1MB'
SET work_mem FROM CURRENT
COMMIT
SHOW work_mem
SET no_such FROM CURRENT
RESET work_mem
SHOW work_mem
