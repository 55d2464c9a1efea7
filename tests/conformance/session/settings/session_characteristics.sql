SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY, DEFERRABLE
SHOW default_transaction_isolation
SHOW default_transaction_read_only
SHOW default_transaction_deferrable
BEGIN
SHOW transaction_isolation
SHOW transaction_read_only
COMMIT
BEGIN READ WRITE
SHOW transaction_read_only
SET default_transaction_read_only = off
COMMIT
SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE
SHOW default_transaction_read_only
