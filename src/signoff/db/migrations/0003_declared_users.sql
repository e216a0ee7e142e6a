-- Users that a signoff.toml lists: as it had them when they were last taken from it.
ALTER TABLE users ADD COLUMN declared jsonb;
