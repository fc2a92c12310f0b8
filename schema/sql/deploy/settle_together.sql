-- Several requests are prepared at once, each at a nonce of its own (settle.nonce says whose). What is signed before its
-- bytes are committed is sent by nobody; who asks for the signature again asks for the same.
BEGIN;

DROP INDEX settle.attempt_one_prepared;

COMMIT;
