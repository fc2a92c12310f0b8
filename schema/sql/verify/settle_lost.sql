BEGIN;
SELECT 1 / has_column_privilege('lonja_settle', 'record.trade', 'quantity', 'SELECT')::int;
SELECT 1 / has_column_privilege('lonja_settle', 'people.account', 'wallet_address', 'SELECT')::int;
SELECT 1 / has_sequence_privilege('lonja_settle', 'settle.attempt_attempt_id_seq', 'UPDATE')::int;
ROLLBACK;
