BEGIN;
SELECT content_hash FROM chain.chain_request WHERE false;
SELECT deployment_id, state, terms_hash, read_back_block FROM chain.deployment WHERE false;
SELECT step, name, state, gas_used FROM chain.deployment_progress WHERE false;
SELECT request_id, state, chain_state, tx_hash FROM chain.request_status WHERE false;
SELECT 1 / (count(*) = 1)::int FROM pg_indexes WHERE schemaname = 'chain' AND indexname = 'deployment_asset';
-- A token's terms are the issuer's: settlement writes where it is, and nothing else.
SELECT 1 / (NOT has_column_privilege('lonja_settle', 'people.token', 'status', 'UPDATE'))::int;
ROLLBACK;
