BEGIN
SET transaction_read_only = on
SHOW transaction_read_only
SET transaction_isolation = 'serializable'
SHOW transaction_isolation
SET transaction_isolation = 'none'
ROLLBACK
BEGIN
SET transaction_read_only = 5
ROLLBACK
RESET transaction_isolation
