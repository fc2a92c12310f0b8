BEGIN;

DROP INDEX settle.attempt_ended;

COMMIT;
