-- What people and programs are to be told. The audit is the outbox: its entries commit with the
-- changes that they tell of. One process at a time reads on from `fan_out` and writes a row here
-- for each message that follows; whoever sends one claims its row for a while.

-- The place in the audit up to which all is written.
CREATE TABLE fan_out (
    id     smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    xact   xid8   NOT NULL,
    number bigint NOT NULL
);
INSERT INTO fan_out (xact, number) SELECT pg_snapshot_xmin(pg_current_snapshot()), 0;

CREATE TABLE messages (
    id         uuid PRIMARY KEY,
    entry      bigint,      -- the number of the audit's entry that it tells of; none for a run's end
    thread_id  text        NOT NULL,
    graph      text        NOT NULL,
    request_id uuid,
    run_id     uuid,
    occasion   text        NOT NULL,
    by         text        NOT NULL,
    note       text,
    at         timestamptz NOT NULL,
    channel    text        NOT NULL,
    address    text        NOT NULL,
    recipient  text,        -- the user; none for a program
    follow_up  boolean     NOT NULL DEFAULT false, -- only for who was told of the request before
    digest     boolean     NOT NULL DEFAULT false,
    leader     uuid,        -- of a digest: the message that goes out for all of them
    payload    json,        -- what a run has ended with
    state      text        NOT NULL DEFAULT 'waiting' CHECK (
        state IN ('waiting', 'gathered', 'sending', 'sent', 'dropped', 'dead')
    ),
    attempts   int         NOT NULL DEFAULT 0,
    planned_at timestamptz NOT NULL,  -- when it was to go out for the first time
    due_at     timestamptz,           -- while it is being sent: when somebody else may try
    error      text,
    settled_at timestamptz,
    -- Nobody hears of anything twice.
    UNIQUE (entry, channel, address),
    CHECK ((due_at IS NOT NULL) = (state IN ('waiting', 'sending'))),
    CHECK ((settled_at IS NOT NULL) = (state IN ('sent', 'dropped', 'dead'))),
    CHECK (state <> 'gathered' OR leader IS NOT NULL)
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX messages_of_run ON messages (run_id, occasion) WHERE entry IS NULL;
CREATE INDEX messages_due ON messages (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX messages_by_request ON messages (request_id, channel, address)
    WHERE request_id IS NOT NULL;
CREATE INDEX messages_by_leader ON messages (leader) WHERE leader IS NOT NULL;
CREATE INDEX messages_by_age ON messages (at DESC, id DESC);
CREATE INDEX messages_by_state ON messages (state, at DESC, id DESC);
CREATE INDEX messages_settled ON messages (settled_at) WHERE settled_at IS NOT NULL;
