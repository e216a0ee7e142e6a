-- Who may do what: roles of users, and API keys.

ALTER TABLE users
    ADD COLUMN role   text NOT NULL DEFAULT 'reviewer'
        CHECK (role IN ('viewer', 'reviewer', 'operator', 'admin')),
    ADD COLUMN graphs text[];

-- Whoever has made a thread sees it while it belongs to no graph yet.
ALTER TABLE threads ADD COLUMN created_by text;

-- A key acts by a name of its own, or as a user. `hash` is the SHA-256 of its secret.
CREATE TABLE keys (
    id           text PRIMARY KEY,
    hash         bytea       NOT NULL,
    name         text        NOT NULL,
    user_name    text,
    role         text        NOT NULL CHECK (role IN ('viewer', 'reviewer', 'operator', 'admin')),
    groups       text[]      NOT NULL DEFAULT '{}',
    graphs       text[],
    created_at   timestamptz NOT NULL,
    created_by   text        NOT NULL,
    expires_at   timestamptz,
    revoked_at   timestamptz,
    last_used_at timestamptz
);
CREATE INDEX keys_by_name ON keys (name, created_at);
CREATE INDEX keys_by_user ON keys (user_name) WHERE user_name IS NOT NULL;
