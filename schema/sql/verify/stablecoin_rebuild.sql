BEGIN;
SELECT 1 / (chain.payout_digest('x', NULL, NULL) ~ '^0x[0-9a-f]{12}$')::int;
SELECT 1 / (settle.payouts_rebuild(1, 0) = '')::int;
SELECT 1 / has_function_privilege('lonja_settle', 'settle.payout_restore(bigint, bigint, bigint, text, text, text, numeric, text)', 'EXECUTE')::int;
SELECT 1 / (NOT has_function_privilege('lonja_settle', 'settle.payouts_rebuild(bigint, bigint)', 'EXECUTE'))::int;
ROLLBACK;
