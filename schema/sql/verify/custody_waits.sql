BEGIN;
SELECT address, units, under_way FROM settle.custody_spendable(1, '', '{}', 0);
SELECT 1 / count(*) FROM settle.reason_word WHERE word = 'freeze_not_final';
ROLLBACK;
