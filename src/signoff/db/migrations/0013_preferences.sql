-- How people are told. `addresses` are those of chats; `preferences` are what a file or an admin says
-- for a user (null: as by default), `chosen` what they chose themselves, which wins.
ALTER TABLE users
    ADD COLUMN addresses   text[] NOT NULL DEFAULT '{}',
    ADD COLUMN preferences jsonb,
    ADD COLUMN chosen      jsonb;
