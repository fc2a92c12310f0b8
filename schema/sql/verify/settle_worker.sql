BEGIN;
SELECT chain_id, signer_address, nonce_floor, updated_at FROM settle.signer WHERE false;
SELECT stage FROM chain.transfer_check WHERE false;
SELECT 1 / (count(*) = 1)::int FROM pg_indexes
    WHERE schemaname = 'settle' AND indexname = 'attempt_one_open';
ROLLBACK;
