-- What is to be gathered into digests, without going through all that is due.
CREATE INDEX messages_to_gather ON messages (due_at)
    WHERE digest AND leader IS NULL AND due_at IS NOT NULL;
