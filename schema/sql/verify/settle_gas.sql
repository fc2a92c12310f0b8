BEGIN;
SELECT gas_id, request_id, chain_id, tx_hash, operation, succeeded, block_number, gas_limit, gas_used, gas_price_wei, fee_wei, l1_fee_wei,
    created_at, lost_at FROM chain.gas_lost WHERE false;
SELECT 1 / has_table_privilege('lonja_settle', 'chain.gas_transaction', 'DELETE')::int;
SELECT 1 / (NOT has_table_privilege('lonja_settle', 'chain.gas_lost', 'DELETE'))::int;
ROLLBACK;
