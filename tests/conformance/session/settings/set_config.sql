SELECT set_config('TimeZone', 'Asia/Tokyo', false)
SHOW TimeZone
SELECT set_config('work_mem', '4096', false) AS a, pg_catalog.set_config('app.x', 'y', 'f'::bool)
SHOW work_mem
SHOW app.x
SELECT set_config('search_path', '', false)
SHOW search_path
BEGIN
SELECT set_config('DateStyle', 'German', true)
SHOW DateStyle
SELECT set_config('TimeZone', 'UTC', false)
SAVEPOINT a
SELECT set_config('app.x', 'z', true)
SELECT current_setting('app.x')
ROLLBACK TO a
SELECT current_setting('app.x')
COMMIT
SHOW DateStyle
SHOW TimeZone
SELECT set_config('no_such', '1', false)
SELECT set_config('work_mem', 'x', false)
SHOW work_mem
BEGIN
SELECT set_config('work_mem', '1MB', false)
ROLLBACK
SHOW work_mem
SET bytea_output = escape
SELECT set_config('bytea_output', NULL, false)
SHOW bytea_output
SELECT set_config('app.x', 'w', true)
SHOW app.x
