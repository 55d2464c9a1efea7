-- Folders to be removed unless they are a table's. A block that makes one holds the advisory lock
-- hashtextextended(location, 0) to its end, so whoever gets that lock knows that the block is over.
CREATE TABLE lakegate.leftovers (location text PRIMARY KEY);

-- What the gateway seals its statements with. Two random UUIDs have 244 random bits.
CREATE TABLE lakegate.sealing (key bytea NOT NULL);
INSERT INTO lakegate.sealing VALUES (sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')));

-- Carries out a statement of the gateway's with the metastore's rights, in the transaction of a user's backend. Who calls
-- it must have sealed the statement for that role, which nobody but the gateway can. Answers with rows, each a list, or their number.
CREATE FUNCTION lakegate.carry_out(statement text, seal bytea, answers boolean) RETURNS SETOF json
LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    secret bytea;
    one record;
    count bigint;
BEGIN
    SELECT key INTO STRICT secret FROM lakegate.sealing;
    IF seal IS DISTINCT FROM sha256(secret || sha256(
        secret || convert_to(session_user, 'UTF8') || '\x00' || convert_to(statement, 'UTF8'))) THEN
        RAISE EXCEPTION 'permission denied for function carry_out' USING ERRCODE = '42501';
    END IF;
    IF answers THEN
        FOR one IN EXECUTE statement LOOP
            RETURN NEXT (SELECT json_agg(value) FROM json_each(to_json(one)));
        END LOOP;
    ELSE
        EXECUTE statement;
        GET DIAGNOSTICS count = ROW_COUNT;
        RETURN NEXT to_json(count);
    END IF;
END
$$;
REVOKE EXECUTE ON FUNCTION lakegate.carry_out FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lakegate.carry_out TO lakegate_principal;
