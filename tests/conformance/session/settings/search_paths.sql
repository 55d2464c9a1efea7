SET search_path TO "Mixed Case", public, "$user"
SHOW search_path
SET search_path = ''
SHOW search_path
SET SCHEMA 'a b'
SHOW search_path
SET search_path TO DEFAULT
SHOW search_path
SET search_path TO a,b
SHOW search_path
