BEGIN;
SELECT event_id, kept_by, why, at FROM chain.unmatched_kept WHERE false;
SELECT party FROM chain.index_set WHERE false;
SELECT payout_id FROM chain.ledger_posting WHERE false;
SELECT asset_id, kind, chain_id, contract_address, escrow_address, decimals, state, reason, asked_by, created_at, updated_at
    FROM people.stablecoin WHERE false;
SELECT payout_id, kind, asset_id, account_id, reference, event_id, to_address, amount, request_id, state, reason, requested_by,
    why, created_at, updated_at
    FROM chain.payout WHERE false;
SELECT party FROM chain.index_source WHERE false;
SELECT leaving, unmatched FROM chain.escrow_figures(1, 0);
SELECT 1 / (chain.payout_post() = 0)::int;
SELECT 1 / has_function_privilege('lonja_index', 'chain.payout_post()', 'EXECUTE')::int;
SELECT 1 / (NOT has_function_privilege('lonja_web', 'chain.unmatched_return(bigint, text, text)', 'EXECUTE'))::int;
SELECT 1 / (NOT has_table_privilege('lonja_admin', 'chain.payout', 'INSERT'))::int;
ROLLBACK;
