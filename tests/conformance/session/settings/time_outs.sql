SHOW lock_timeout
SHOW client_connection_check_interval
SELECT current_setting('lock_timeout'), current_setting('Statement_Timeout'), current_setting('idle_session_timeout', true)
SELECT name, setting, unit, boot_val, reset_val, source FROM pg_settings WHERE name LIKE '%\_timeout' AND context = 'user' ORDER BY name
SET statement_timeout = '5min'
SET lock_timeout = '1500ms'
SET idle_in_transaction_session_timeout = 90000
SET transaction_timeout = '2h'
SET idle_session_timeout = '1d'
SELECT current_setting(name) FROM (VALUES ('lock_timeout'), ('transaction_timeout'), ('work_mem')) AS v (name)
SELECT current_setting('statement_timeout'), current_setting('idle_in_transaction_session_timeout')
SELECT name, setting, unit, boot_val, reset_val, source FROM pg_settings WHERE name LIKE '%\_timeout' AND context = 'user' ORDER BY name
SELECT setting FROM pg_catalog.pg_settings s WHERE s.name = 'transaction_timeout'
BEGIN
SET LOCAL transaction_timeout = '1h'
SELECT current_setting('transaction_timeout'), set_config('lock_timeout', '2s', true), current_setting('transaction_timeout', false)
SELECT current_setting('lock_timeout'), count(*) FILTER (WHERE setting = '2000') FROM pg_settings
SAVEPOINT a
SET LOCAL transaction_timeout = '30min'
SELECT current_setting('transaction_timeout')
ROLLBACK TO a
SELECT current_setting('transaction_timeout')
ROLLBACK
SELECT current_setting('transaction_timeout'), current_setting('lock_timeout')
RESET lock_timeout
RESET transaction_timeout
SELECT current_setting('transaction_timeout'), current_setting('lock_timeout')
PREPARE p AS SELECT current_setting('idle_session_timeout')
EXECUTE p
SET idle_session_timeout = '2d'
EXECUTE p
SELECT current_setting('no_such_timeout')
SELECT current_setting('no_such_timeout', true)
SELECT current_setting(NULL)
