-- Policies over time: who is asked, what is planned, what was said; and the people.

ALTER TABLE requests
    ADD COLUMN involved    text[] NOT NULL DEFAULT '{}',
    ADD COLUMN audience    text[] NOT NULL DEFAULT '{}',
    ADD COLUMN timetable   jsonb  NOT NULL DEFAULT '[]',
    ADD COLUMN delegations jsonb  NOT NULL DEFAULT '[]',
    ADD COLUMN comments    jsonb  NOT NULL DEFAULT '[]',
    ADD COLUMN version     int    NOT NULL DEFAULT 0;

-- What is due, for the one duty that looks at it.
CREATE INDEX requests_due ON requests (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX requests_overdue ON requests (deadline, id)
    WHERE state = 'open' AND deadline IS NOT NULL;
-- Whom an open request is for: the list of one person.
CREATE INDEX requests_audience ON requests USING gin (audience) WHERE state = 'open';

ALTER TABLE votes ADD COLUMN on_behalf_of text;

CREATE TABLE users (
    name     text PRIMARY KEY,
    email    text,
    groups   text[] NOT NULL DEFAULT '{}',
    absences jsonb  NOT NULL DEFAULT '[]'
);
CREATE INDEX users_by_substitute ON users USING gin (absences jsonb_path_ops);
