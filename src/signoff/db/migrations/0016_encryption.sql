-- The keys that something is encrypted with, by their ids.
CREATE TABLE encryption_keys (
    id    text PRIMARY KEY,
    since timestamptz NOT NULL DEFAULT now()
);

-- What an entry says of what people and graphs said, where that is encrypted: the text that is
-- chained has its digest.
ALTER TABLE audit ADD COLUMN sealed text;

-- A title that is encrypted is longer.
ALTER TABLE requests DROP CONSTRAINT requests_title_check;
ALTER TABLE requests ADD CONSTRAINT requests_title_check
    CHECK (char_length(title) <= 300 OR starts_with(title, 'sealed:1:'));
