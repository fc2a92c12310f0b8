BEGIN;
SELECT token_asset, address, block_number, units, at FROM chain.custody_taken WHERE false;
SELECT 1 / has_function_privilege('lonja_settle', 'settle.custody_spendable(bigint, text, text[], bigint)', 'EXECUTE')::int;
SELECT 1 / (NOT has_function_privilege('lonja_settle', 'chain.custody_take(integer, text, numeric)', 'EXECUTE'))::int;
ROLLBACK;
