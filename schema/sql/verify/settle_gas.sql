BEGIN;
SELECT tx_hash, fee_wei, lost_at FROM chain.gas_lost WHERE false;
SELECT 1 / has_table_privilege('lonja_settle', 'chain.gas_transaction', 'DELETE')::int;
SELECT 1 / (NOT has_table_privilege('lonja_settle', 'chain.gas_lost', 'DELETE'))::int;
ROLLBACK;
