SET app.tenant = '5'
SHOW app.tenant
BEGIN
SET LOCAL app.tenant = '6'
SELECT current_setting('app.tenant')
COMMIT
SELECT current_setting('app.tenant')
SET app.b.c = 1
SET "app.9" = 1
SET plpgsql.extra_warnings = 'all'
SHOW plpgsql.extra_warnings
