BEGIN;
DROP FUNCTION settle.token_trouble(integer);
UPDATE settle.reason_word SET todo = 'register it, retry' WHERE word IN ('not_registered_sender', 'not_registered_receiver');
COMMIT;
