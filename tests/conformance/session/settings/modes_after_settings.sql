BEGIN
SET LOCAL work_mem = '9MB'
SHOW work_mem
COMMIT
BEGIN
SHOW work_mem
SET transaction_isolation = 'serializable'
SHOW transaction_isolation
COMMIT
SHOW work_mem
