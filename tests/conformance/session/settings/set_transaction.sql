SET TRANSACTION READ ONLY
BEGIN
SET TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE
SHOW transaction_isolation
SHOW transaction_read_only
SHOW transaction_deferrable
ROLLBACK
SHOW transaction_isolation
