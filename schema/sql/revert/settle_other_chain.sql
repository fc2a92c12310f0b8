BEGIN;
DELETE FROM settle.reason_word WHERE word = 'node_on_another_chain';
COMMIT;
