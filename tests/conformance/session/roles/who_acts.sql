SELECT current_user, session_user, current_role, user
SHOW role
SET ROLE crew
SELECT current_user, session_user, current_role, user
SHOW role
SHOW session_authorization
SELECT current_setting('role'), current_setting('is_superuser'), pg_has_role('crew', 'USAGE'), pg_has_role('admin', 'USAGE')
SELECT pg_has_role('fleet', 'USAGE'), pg_has_role('strangers', 'USAGE'), pg_has_role(session_user, 'crew', 'MEMBER')
SET ROLE fleet
SELECT current_user, session_user, pg_has_role('crew', 'USAGE')
SET ROLE 'crew'
SELECT current_user
SET role = fleet
SELECT current_user
SET role TO DEFAULT
SELECT current_user
SET SESSION ROLE crew
SELECT current_user
SET ROLE admin
SHOW role
SELECT current_user
SET ROLE "none"
SHOW role
SELECT current_user
SET ROLE crew
SET ROLE crew
RESET ROLE
SELECT current_user
SELECT usename = session_user, usename = current_user FROM pg_stat_activity WHERE pid = pg_backend_pid()
SET ROLE crew
SELECT usename, query FROM pg_stat_activity WHERE pid = pg_backend_pid()
SELECT role_name::text FROM information_schema.enabled_roles WHERE role_name IN ('admin', 'crew', 'fleet', 'strangers') ORDER BY 1
SELECT role_name::text FROM information_schema.applicable_roles WHERE role_name IN ('crew', 'fleet') ORDER BY grantee::text COLLATE "C", 1
