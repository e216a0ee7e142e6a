-- The chain covers every column, and the text of an entry by its digest, so that an entry can be
-- shown to be in its place without being shown itself.
--
-- An entry's hash is SHA-256 over six lines: the hash before it, its `seq`, its `number`, its `xact`,
-- its thread, and SHA-256 of its `body` in hexadecimal. What else stands in columns stands in the
-- body too. `SET search_path` keeps callers from putting functions of their own in the place of
-- these; SECURITY DEFINER lets a role write entries that may not touch the heads.
CREATE OR REPLACE FUNCTION audit_chain() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = signoff, pg_catalog, pg_temp AS $$
DECLARE
    content text;
BEGIN
    NEW.xact := pg_current_xact_id();
    content := E'\n' || NEW.number || E'\n' || NEW.xact || E'\n' || NEW.thread_id || E'\n'
        || encode(sha256(convert_to(NEW.body, 'UTF8')), 'hex');
    INSERT INTO audit_heads AS head (thread_id, seq, hash)
    VALUES (NEW.thread_id, 1, encode(sha256(convert_to(
        repeat('0', 64) || E'\n1' || content, 'UTF8')), 'hex'))
    ON CONFLICT (thread_id) DO UPDATE
       SET seq = head.seq + 1, hash = encode(sha256(convert_to(
        head.hash || E'\n' || (head.seq + 1) || content, 'UTF8')), 'hex')
    RETURNING head.seq, head.hash INTO NEW.seq, NEW.hash;
    RETURN NEW;
END
$$;

-- What was chained in the former way is chained in this one, once.
DO $$
DECLARE
    entry  record;
    before text;
BEGIN
    FOR entry IN SELECT thread_id, seq, number, xact, body FROM audit ORDER BY thread_id, seq LOOP
        IF entry.seq = 1 THEN
            before := repeat('0', 64);
        END IF;
        before := encode(sha256(convert_to(
            before || E'\n' || entry.seq || E'\n' || entry.number || E'\n' || entry.xact || E'\n'
            || entry.thread_id || E'\n' || encode(sha256(convert_to(entry.body, 'UTF8')), 'hex'),
            'UTF8')), 'hex');
        UPDATE audit SET hash = before
         WHERE audit.thread_id = entry.thread_id AND audit.seq = entry.seq;
        UPDATE audit_heads SET hash = before
         WHERE audit_heads.thread_id = entry.thread_id AND audit_heads.seq = entry.seq;
    END LOOP;
END
$$;

-- Everything in the order of transactions, also what is about no request.
DROP INDEX audit_in_order;
CREATE INDEX audit_in_order ON audit (xact, number);
