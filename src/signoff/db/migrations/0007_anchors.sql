-- Signed statements of how far every chain of the audit has come: signoff/domain/anchor.py.
CREATE TABLE audit_anchors (
    number           bigint PRIMARY KEY,
    at               timestamptz NOT NULL,
    previous         text        NOT NULL,
    root             text        NOT NULL,
    chains           bigint      NOT NULL,
    entries          bigint      NOT NULL,
    until            bigint      NOT NULL,
    forgotten_before timestamptz,
    public_key       text        NOT NULL,
    signature        text        NOT NULL
);

-- The ends of chains that an anchor stands for, in their order.
CREATE TABLE audit_anchored (
    thread_id text   NOT NULL,
    seq       bigint NOT NULL,
    hash      text   NOT NULL,
    anchor    bigint NOT NULL REFERENCES audit_anchors,
    position  bigint NOT NULL,
    PRIMARY KEY (thread_id, seq),
    UNIQUE (anchor, position)
);
