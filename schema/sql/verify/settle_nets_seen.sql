BEGIN;
SELECT net FROM settle.progress WHERE false;
SELECT 1 / (count(*) = 2)::int FROM settle.reason_word WHERE word IN ('netting_module_not_reviewed', 'rebuilt_from_tape');
ROLLBACK;
