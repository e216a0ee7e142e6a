-- Threads, runs, requests, votes, effects, the audit chain and the processes that work on them.

-- Processes of the desk that may hold a thread. A process that stops renewing `alive_until` is
-- dead; its threads are then taken from it by raising their epoch.
CREATE TABLE workers (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    instance    text        NOT NULL,
    started_at  timestamptz NOT NULL DEFAULT now(),
    alive_until timestamptz NOT NULL
);

CREATE TABLE threads (
    id               text PRIMARY KEY CHECK (id ~ '^[A-Za-z0-9._:@-]{1,255}$'),
    graph            text,
    status           text        NOT NULL DEFAULT 'idle'
                     CHECK (status IN ('idle', 'busy', 'interrupted', 'error')),
    state_values     jsonb,
    error            text,
    metadata         jsonb       NOT NULL DEFAULT '{}',
    epoch            bigint      NOT NULL DEFAULT 0,
    leased_by        bigint,
    work             bigint      NOT NULL DEFAULT 0, -- how often it was given some
    ready_at         timestamptz,
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    -- Work waits or is under way exactly while the thread is busy.
    CHECK ((status = 'busy') = (ready_at IS NOT NULL)),
    CHECK (leased_by IS NULL OR ready_at IS NOT NULL)
) WITH (fillfactor = 70);
CREATE INDEX threads_ready ON threads (ready_at) WHERE ready_at IS NOT NULL;
CREATE INDEX threads_leased ON threads (leased_by) WHERE leased_by IS NOT NULL;
CREATE INDEX threads_by_status ON threads (status, created_at DESC, id DESC);
CREATE INDEX threads_by_age ON threads (created_at DESC, id DESC);
CREATE INDEX threads_by_metadata ON threads USING gin (metadata jsonb_path_ops);

CREATE TABLE runs (
    id         uuid PRIMARY KEY,
    thread_id  text        NOT NULL REFERENCES threads ON DELETE CASCADE,
    graph      text        NOT NULL,
    kind       text        NOT NULL CHECK (kind IN ('start', 'resume', 'continue')),
    status     text        NOT NULL CHECK (
        status IN ('queued', 'running', 'paused', 'succeeded', 'failed', 'cancelled')
    ),
    by         text        NOT NULL,
    input      jsonb,
    config     jsonb       NOT NULL DEFAULT '{}',
    context    jsonb,
    metadata   jsonb       NOT NULL DEFAULT '{}',
    options    jsonb       NOT NULL DEFAULT '{}',
    fork_from  text,
    attempt    int         NOT NULL DEFAULT 0,
    error      text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX runs_by_thread ON runs (thread_id, created_at DESC);
CREATE INDEX runs_active ON runs (thread_id, created_at) WHERE status IN ('queued', 'running');
-- Everything answered on a thread goes in one resume.
CREATE UNIQUE INDEX runs_one_queued_resume ON runs (thread_id)
    WHERE status = 'queued' AND kind = 'resume';

CREATE TABLE requests (
    id              uuid PRIMARY KEY,
    thread_id       text        NOT NULL REFERENCES threads ON DELETE CASCADE,
    run_id          uuid,
    graph           text        NOT NULL,
    node            text        NOT NULL,
    interrupt_id    text        NOT NULL,
    task_id         text        NOT NULL,
    checkpoint_ns   text        NOT NULL,
    checkpoint_id   text        NOT NULL,
    position        int         NOT NULL,
    kind            text        NOT NULL,
    topic           text,
    title           text        NOT NULL CHECK (char_length(title) <= 300),
    -- `json` and not `jsonb`: people see the fields in the order in which the author wrote them.
    payload         json,
    response_schema json,
    actions         json        NOT NULL,
    policy          jsonb       NOT NULL,
    priority        smallint    NOT NULL,
    digest          text        NOT NULL,
    state           text        NOT NULL DEFAULT 'open' CHECK (
        state IN ('open', 'decided', 'expired', 'withdrawn', 'superseded')
    ),
    outcome         jsonb,
    delivery        text        NOT NULL DEFAULT 'none' CHECK (
        delivery IN ('none', 'pending', 'delivered', 'failed')
    ),
    delivery_error  text,
    voided          boolean     NOT NULL DEFAULT false,
    revises         uuid,
    remark          text,
    claimed_by      text,
    deadline        timestamptz,
    wake_at         timestamptz,
    opened_at       timestamptz NOT NULL,
    closed_at       timestamptz,
    delivered_at    timestamptz,
    UNIQUE (thread_id, interrupt_id),
    CHECK ((state = 'open') = (closed_at IS NULL)),
    CHECK ((outcome IS NOT NULL) = (state IN ('decided', 'expired'))),
    CHECK (state = 'open' OR wake_at IS NULL),
    CHECK (delivery = 'none' OR outcome IS NOT NULL)
) WITH (fillfactor = 80);
CREATE INDEX requests_by_age ON requests (opened_at DESC, id DESC);
CREATE INDEX requests_by_state ON requests (state, opened_at DESC, id DESC);
-- What a run has to know of its thread: all but what is delivered or superseded for good.
CREATE INDEX requests_known ON requests (thread_id)
    WHERE state IN ('open', 'withdrawn') OR delivery IN ('pending', 'failed') OR voided;

CREATE TABLE votes (
    request_id      uuid        NOT NULL REFERENCES requests ON DELETE CASCADE,
    by              text        NOT NULL,
    action          text        NOT NULL,
    "values"        jsonb       NOT NULL,
    note            text,
    idempotency_key text,
    fingerprint     text        NOT NULL,
    at              timestamptz NOT NULL,
    PRIMARY KEY (request_id, by)
);
CREATE UNIQUE INDEX votes_by_key ON votes (by, idempotency_key) WHERE idempotency_key IS NOT NULL;

-- What `once()` has run: a row is begun under the thread's lease, and done with its result.
CREATE TABLE effects (
    thread_id  text        NOT NULL REFERENCES threads ON DELETE CASCADE,
    key        text        NOT NULL,
    type       text,
    result     bytea,
    begun_at   timestamptz NOT NULL DEFAULT now(),
    done_at    timestamptz,
    PRIMARY KEY (thread_id, key)
);

-- The audit outlives the threads it speaks of. `body` is the text that was hashed, to the byte.
CREATE TABLE audit (
    thread_id  text        NOT NULL,
    seq        bigint      NOT NULL,
    request_id uuid,
    event      text        NOT NULL,
    body       text        NOT NULL,
    hash       text        NOT NULL,
    at         timestamptz NOT NULL,
    PRIMARY KEY (thread_id, seq)
);
CREATE INDEX audit_by_request ON audit (request_id, seq) WHERE request_id IS NOT NULL;

CREATE TABLE audit_heads (
    thread_id text PRIMARY KEY,
    seq       bigint NOT NULL,
    hash      text   NOT NULL
) WITH (fillfactor = 70);

-- Chain each entry to the one before it: SHA-256 over that one's hash, the number and the text,
-- on lines of their own. The head's row lock puts writers of one thread in order. The expression
-- stands here twice, since a function of its own would cost more than the hash.
CREATE FUNCTION audit_chain() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit_heads AS head (thread_id, seq, hash)
    VALUES (NEW.thread_id, 1, encode(sha256(convert_to(
        repeat('0', 64) || E'\n1\n' || NEW.body, 'UTF8')), 'hex'))
    ON CONFLICT (thread_id) DO UPDATE
       SET seq = head.seq + 1, hash = encode(sha256(convert_to(
        head.hash || E'\n' || (head.seq + 1)::text || E'\n' || NEW.body, 'UTF8')), 'hex')
    RETURNING head.seq, head.hash INTO NEW.seq, NEW.hash;
    RETURN NEW;
END
$$;
CREATE TRIGGER audit_chain BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION audit_chain();
