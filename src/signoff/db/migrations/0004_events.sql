-- Following what happens: the audit in the order of its transactions, and the streams of runs.

-- Entries are read in the order of (xact, number), and only of transactions before all that are
-- still under way: what commits later then never comes before what was read.
ALTER TABLE audit
    ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY,
    ADD COLUMN xact   xid8 NOT NULL DEFAULT pg_current_xact_id();
CREATE INDEX audit_in_order ON audit (xact, number) WHERE request_id IS NOT NULL;

-- What runs have streamed, of those that were asked to. A thread's rows are written under its
-- lease, one transaction after the other, so that their ids are in the order in which they commit.
-- `data` is JSON as it goes out, to the byte.
CREATE TABLE stream_events (
    id        bigint GENERATED ALWAYS AS IDENTITY,
    thread_id text        NOT NULL REFERENCES threads ON DELETE CASCADE,
    run_id    uuid        NOT NULL,
    event     text        NOT NULL,
    data      text        NOT NULL,
    at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (thread_id, id)
);
CREATE INDEX stream_events_by_age ON stream_events (at);

-- Tell whoever follows these threads; many in one notification, which can have 8000 bytes.
CREATE FUNCTION stream_events_told() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('signoff', 'streams ' || string_agg(thread_id, ' '))
       FROM (SELECT thread_id, sum(length(thread_id) + 1) OVER (ORDER BY thread_id) / 7000 AS part
               FROM (SELECT DISTINCT thread_id FROM inserted) AS threads) AS parts
      GROUP BY part;
    RETURN NULL;
END
$$;
CREATE TRIGGER stream_events_told AFTER INSERT ON stream_events
    REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION stream_events_told();
