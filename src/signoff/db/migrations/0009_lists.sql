-- Lists of a million requests: each order is read from an index, of what is open and of what is
-- closed by itself, since one is short where the other is long.
DROP INDEX requests_overdue;
CREATE INDEX requests_open_by_deadline ON requests (coalesce(deadline, 'infinity'), id)
    WHERE state = 'open';
CREATE INDEX requests_open_by_priority ON requests (priority, id) WHERE state = 'open';
CREATE INDEX requests_open_by_topic ON requests (topic, opened_at DESC, id DESC)
    WHERE state = 'open' AND topic IS NOT NULL;
CREATE INDEX requests_open_by_graph ON requests (graph, opened_at DESC, id DESC)
    WHERE state = 'open';
CREATE INDEX requests_closed_by_age ON requests (opened_at DESC, id DESC) WHERE state <> 'open';
CREATE INDEX requests_closed_by_end ON requests (closed_at, id) WHERE state <> 'open';
CREATE INDEX requests_closed_by_deadline ON requests (coalesce(deadline, 'infinity'), id)
    WHERE state <> 'open';
CREATE INDEX requests_closed_by_priority ON requests (priority, id) WHERE state <> 'open';

-- New entries wait in a list that each search goes through: it must be short.
ALTER INDEX requests_audience SET (gin_pending_list_limit = 128);
CREATE INDEX requests_closed_audience ON requests USING gin (audience)
    WITH (gin_pending_list_limit = 128) WHERE state <> 'open';
