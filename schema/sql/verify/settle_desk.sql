BEGIN;
SELECT chain_id, head_block, final_block, confirmations, trouble, endpoints, updated_at, due_at FROM settle.worker WHERE false;
SELECT token, state, reason, oldest_s FROM settle.lane WHERE false;
SELECT signer, open_nonces, next_nonce FROM settle.signer_lane WHERE false;
SELECT trade, step, confirmations, confirmations_needed, reason_text FROM settle.progress WHERE false;
SELECT 1 / (json_typeof(status) = 'object')::int FROM settle.status;
SELECT 1 / (settle.reason_text('paused') <> 'paused' AND settle.reason_text('reverted: no') = 'the contract refused: no' AND settle.reason_text('else') = 'else')::int;
ROLLBACK;
