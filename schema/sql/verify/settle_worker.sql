BEGIN;
SELECT chain_id, signer_address, nonce_floor FROM settle.signer WHERE false;
SELECT stage FROM chain.transfer_check WHERE false;
SELECT 1 / (count(*) = 2)::int FROM pg_indexes
    WHERE schemaname = 'settle' AND indexname IN ('attempt_one_open', 'attempt_one_prepared');
ROLLBACK;
