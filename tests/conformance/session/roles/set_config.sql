SELECT set_config('role', 'crew', false)
SELECT current_user, session_user
SELECT set_config('ROLE', 'fleet', true)
SELECT current_user
BEGIN
SELECT set_config('role', 'fleet', true)
SELECT current_user, count(*) FROM tpch.nation
SELECT count(*) FROM tpch.region
ROLLBACK
SELECT current_user
BEGIN
SELECT set_config('role', 'none', false), set_config('work_mem', '3MB', false)
SELECT current_user
COMMIT
SHOW work_mem
SELECT current_user
SELECT set_config('role', 'crew', false); SELECT 1/0
SELECT current_user
SELECT set_config('role', v, false) FROM (VALUES ('crew'), ('fleet')) w (v)
SELECT current_user
SELECT current_setting('role')
