BEGIN;
SELECT deployment_id, step, name, operation, round, request_id, contract_address, acknowledged, started_at, confirmed_at
    FROM chain.deployment_step WHERE false;
SELECT content_hash FROM chain.chain_request WHERE false;
SELECT deployment_id, idempotency_key, chain_id, asset_id, deployer, terms, terms_hash, steps, checks, state, failed_step,
    reason, read_back_block, requested_by, evidence, created_at, updated_at
    FROM chain.deployment WHERE false;
SELECT step, name, state, gas_used FROM chain.deployment_progress WHERE false;
SELECT request_id, state, chain_state, tx_hash FROM chain.request_status WHERE false;
SELECT 1 / (count(*) = 1)::int FROM pg_indexes WHERE schemaname = 'chain' AND indexname = 'deployment_asset';
-- A token's terms are the issuer's: settlement writes where it is, and nothing else.
SELECT 1 / (NOT has_column_privilege('lonja_settle', 'people.token', 'status', 'UPDATE'))::int;
ROLLBACK;
