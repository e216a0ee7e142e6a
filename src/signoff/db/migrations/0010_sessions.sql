-- Users who sign in: their passwords, their sessions, and what was tried.

-- In the form of Argon2 (RFC 9106), which has its parameters and its salt in it.
ALTER TABLE users ADD COLUMN password text;

-- A session is known by the SHA-256 of a random token. A token is replaced now and then; the one
-- before opens for a moment longer, for what was under way.
CREATE TABLE sessions (
    hash          bytea PRIMARY KEY,
    previous_hash bytea UNIQUE,
    user_name     text        NOT NULL,
    method        text        NOT NULL,
    signed_in_at  timestamptz NOT NULL,
    seen_at       timestamptz NOT NULL,
    rotated_at    timestamptz NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_name);
CREATE INDEX sessions_by_age ON sessions (signed_in_at);

-- Who tried to sign in: as whom, from where, and both together. Those that succeeded are taken out.
CREATE TABLE sign_in_attempts (
    id      bigint GENERATED ALWAYS AS IDENTITY,
    subject text        NOT NULL,
    at      timestamptz NOT NULL,
    PRIMARY KEY (subject, id)
);
CREATE INDEX sign_in_attempts_by_age ON sign_in_attempts (at);
