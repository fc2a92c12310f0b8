BEGIN;
SELECT 1 / (to_regclass('settle.attempt_one_prepared') IS NULL)::int;
ROLLBACK;
