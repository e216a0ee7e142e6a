-- Users whom an OpenID provider signs in.

-- When whoever is signed in has last shown who they are, as far as that is known; and what the
-- provider has said of it, which it wants to see when somebody signs out there too.
ALTER TABLE sessions
    ADD COLUMN authenticated_at timestamptz,
    ADD COLUMN id_token         text;
UPDATE sessions SET authenticated_at = signed_in_at;

-- Who somebody is at a provider. A subject is never given to another person there, as an e-mail
-- address may be; and nobody is two people.
CREATE TABLE identities (
    issuer       text        NOT NULL,
    subject      text        NOT NULL,
    user_name    text        NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    made_user    boolean     NOT NULL,
    linked_at    timestamptz NOT NULL,
    signed_in_at timestamptz NOT NULL,
    PRIMARY KEY (issuer, subject),
    UNIQUE (issuer, user_name)
);
CREATE INDEX identities_by_user ON identities (user_name);

-- A browser that was sent to a provider and is to come back, once, with the same state. The browser
-- has a secret of its own, so that nobody comes back with what another was sent for.
CREATE TABLE sign_in_flows (
    state      bytea PRIMARY KEY,
    browser    bytea       NOT NULL,
    nonce      text        NOT NULL,
    verifier   text        NOT NULL,
    next       text        NOT NULL,
    again      boolean     NOT NULL,
    started_at timestamptz NOT NULL
);
CREATE INDEX sign_in_flows_by_age ON sign_in_flows (started_at);
