BEGIN;
SELECT 'settle.attempt_ended'::regclass;
ROLLBACK;
