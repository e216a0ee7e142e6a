-- Entries are in the order of their transactions, whose numbers begin anew where a dump is restored
-- on another server. So `xact` is the number of the transaction and what is added to all of them
-- here: nothing, until `signoff migrate` finds that others were ahead (`signoff.db.audit_order`).
-- Functions with this in them cost nothing, as the planner puts them in place.
CREATE FUNCTION audit_offset() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT 0::bigint';

-- All transactions before this have ended, whoever's they are.
CREATE FUNCTION audit_horizon() RETURNS xid8 LANGUAGE sql STABLE AS $$
    SELECT (pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::text::bigint
            OPERATOR(pg_catalog.+) signoff.audit_offset())::text::xid8
$$;

CREATE OR REPLACE FUNCTION audit_chain() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    content text;
BEGIN
    NEW.xact := (pg_catalog.pg_current_xact_id()::text::bigint
                 OPERATOR(pg_catalog.+) signoff.audit_offset())::text::xid8;
    content := pg_catalog.concat(
        E'\n', NEW.number, E'\n', NEW.xact, E'\n', NEW.thread_id, E'\n',
        pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(NEW.body, 'UTF8')), 'hex'));
    UPDATE signoff.audit_heads AS head
       SET seq = head.seq OPERATOR(pg_catalog.+) 1,
           hash = pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.concat(
               head.hash, E'\n', head.seq OPERATOR(pg_catalog.+) 1, content), 'UTF8')), 'hex')
     WHERE head.thread_id OPERATOR(pg_catalog.=) NEW.thread_id
    RETURNING head.seq, head.hash INTO NEW.seq, NEW.hash;
    IF FOUND THEN
        RETURN NEW;
    END IF;
    -- The first entry; unless another transaction is writing that right now.
    INSERT INTO signoff.audit_heads AS head (thread_id, seq, hash)
    VALUES (NEW.thread_id, 1,
            pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.concat(
               pg_catalog.repeat('0', 64), E'\n1', content), 'UTF8')), 'hex'))
    ON CONFLICT (thread_id) DO UPDATE
       SET seq = head.seq OPERATOR(pg_catalog.+) 1,
           hash = pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.concat(
               head.hash, E'\n', head.seq OPERATOR(pg_catalog.+) 1, content), 'UTF8')), 'hex')
    RETURNING head.seq, head.hash INTO NEW.seq, NEW.hash;
    RETURN NEW;
END
$$;
