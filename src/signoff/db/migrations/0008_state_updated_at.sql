-- When a run or an update last left a state: not when the thread was last labelled or given work.
ALTER TABLE threads ADD COLUMN state_updated_at timestamptz NOT NULL DEFAULT now();
UPDATE threads SET state_updated_at = updated_at;
