-- Names a session whose token is replaced now and then: what its provider has said is encrypted,
-- where that is turned on, and bound to it.
ALTER TABLE sessions ADD COLUMN id uuid NOT NULL DEFAULT gen_random_uuid();
CREATE UNIQUE INDEX sessions_by_id ON sessions (id);
