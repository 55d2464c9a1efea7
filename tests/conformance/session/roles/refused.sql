SET ROLE strangers
SHOW role
SET ROLE nobody_here
SET ROLE 'Crew'
SET ROLE NONE
SELECT set_config('role', 'strangers', false)
SELECT set_config('role', 'nobody_here', false)
SELECT current_user
SET SESSION AUTHORIZATION crew
SET SESSION AUTHORIZATION strangers
SET SESSION AUTHORIZATION nobody_here
SELECT current_user, session_user
SET ROLE fleet
SET ROLE strangers
SELECT current_user
SET ROLE pg_monitor
SELECT current_user
BEGIN
SET ROLE strangers
SELECT 1
ROLLBACK
SELECT current_user
