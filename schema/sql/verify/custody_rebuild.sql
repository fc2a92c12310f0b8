BEGIN;
SELECT units, moved, off_chain FROM chain.custody_untold WHERE false;
SELECT 1 / (settle.custody_rebuild(1, 0) = 0)::int;
SELECT 1 / has_function_privilege('lonja_settle', 'settle.custody_restore(bigint, bigint, text, text, text[], numeric[])', 'EXECUTE')::int;
SELECT 1 / (NOT has_function_privilege('lonja_settle', 'settle.custody_rebuild(bigint, bigint)', 'EXECUTE'))::int;
ROLLBACK;
