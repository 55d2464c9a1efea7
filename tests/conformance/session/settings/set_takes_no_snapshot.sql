BEGIN
SHOW work_mem
SET LOCAL work_mem = '3MB'
SET DateStyle = 'SQL, DMY'
SET app.tenant = 'it''s'
SET TRANSACTION ISOLATION LEVEL SERIALIZABLE
SHOW transaction_isolation
SHOW work_mem
SHOW DateStyle
SHOW app.tenant
SET LOCAL work_mem = '3MB'
SET LOCAL work_mem TO DEFAULT
SHOW work_mem
ROLLBACK
SHOW DateStyle
SHOW work_mem
