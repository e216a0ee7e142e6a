-- In which trace (W3C's traceparent) a run was asked for, and a request was opened; where none is
-- kept, none.
ALTER TABLE runs ADD COLUMN traceparent text;
ALTER TABLE requests ADD COLUMN traceparent text;
