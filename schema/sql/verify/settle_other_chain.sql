BEGIN;
SELECT 1 / count(*) FROM settle.reason_word WHERE word = 'node_on_another_chain';
ROLLBACK;
