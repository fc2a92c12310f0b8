BEGIN;
SELECT 1 / (pg_get_viewdef('settle.lane'::regclass) LIKE '%settle.hold%')::int;
SELECT 1 / has_column_privilege('lonja_settle', 'chain.gas_transaction', 'block_number', 'UPDATE')::int;
ROLLBACK;
