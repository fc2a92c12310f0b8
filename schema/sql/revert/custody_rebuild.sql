BEGIN;
DROP FUNCTION settle.custody_rebuild(bigint, bigint);
DROP FUNCTION chain.custody_retake(bigint);
DROP VIEW chain.custody_untold;
DROP FUNCTION settle.custody_restore(bigint, bigint, text, text, text[], numeric[]);
COMMIT;
