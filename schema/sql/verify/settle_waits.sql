BEGIN;
SELECT 1 / (settle.token_trouble(0) IS NULL)::int;
SELECT 1 / (todo LIKE '%docs/assets.md%')::int FROM settle.reason_word WHERE word = 'not_registered_sender';
ROLLBACK;
