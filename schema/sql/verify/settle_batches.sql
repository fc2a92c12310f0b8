BEGIN;
SELECT state, reason, log_index FROM chain.request_leg WHERE false;
SELECT arguments FROM chain.chain_request WHERE false;
SELECT identity_registry, compliance FROM chain.transfer_check WHERE false;
SELECT batch_limit FROM settle.trade WHERE false;
SELECT 1 / (count(*) = 1)::int FROM pg_indexes WHERE schemaname = 'chain' AND indexname = 'request_leg_once';
SELECT 1 / has_table_privilege('lonja_settle', 'chain.request_leg', 'DELETE')::int;
ROLLBACK;
