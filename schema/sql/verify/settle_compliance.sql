BEGIN;
SELECT halts FROM settle.incident WHERE false;
SELECT 1 / count(*) FROM settle.reason_word WHERE word = 'compliance_changed';
ROLLBACK;
