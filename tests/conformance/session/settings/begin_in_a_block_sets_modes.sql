BEGIN
BEGIN READ ONLY
SHOW transaction_read_only
COMMIT
