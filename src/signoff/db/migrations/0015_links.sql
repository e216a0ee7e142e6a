-- The links of messages, by which one person may decide one request, once. A link is known by the
-- SHA-256 of its token, which is random. It goes with its person and with its request.
CREATE TABLE links (
    hash        bytea PRIMARY KEY,
    request_id  uuid        NOT NULL REFERENCES requests ON DELETE CASCADE,
    user_name   text        NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    digest      text        NOT NULL,  -- of what is asked, as the message has it
    message     text,                  -- in which it is: sent anew, that has another one
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    replaced_at timestamptz,
    used_at     timestamptz,
    action      text,                  -- what was chosen by it
    CHECK ((used_at IS NULL) = (action IS NULL))
);
CREATE INDEX links_by_request ON links (request_id);
CREATE INDEX links_by_user ON links (user_name);
CREATE INDEX links_by_message ON links (message, request_id) WHERE message IS NOT NULL;
CREATE INDEX links_by_age ON links (expires_at);
