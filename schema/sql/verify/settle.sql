BEGIN;
SELECT trade_id, created_at, settlement_status, settlement_attempts, total_attempts, settlement_type, tx_hash, block_number,
    reason, settled_at, updated_at
    FROM settle.trade WHERE false;
SELECT result_id, trade_id, outcome, ref_number, state, reject_code, created_at, answered_at FROM settle.result WHERE false;
SELECT trade_id, settlement_status, settlement_attempts, settlement_type, tx_hash, settled_at, reason
    FROM settle.trade WHERE false;
SELECT history_id, trade_id, from_status, to_status, attempt, tx_hash, reason, at FROM settle.trade_settlement_history WHERE false;
SELECT chain_id, signer_address, nonce, request_id, reserved_at, closed_at FROM settle.nonce WHERE false;
SELECT attempt_id, request_id, attempt, chain_id, signer_address, nonce, to_address, calldata, gas_limit, max_fee_wei,
    priority_fee_wei, raw, tx_hash, state, reason, prepared_at, signed_at, sent_at, mined_at, updated_at, block_number,
    block_hash, gas_used, gas_price_wei, log_index, receipt
    FROM settle.attempt WHERE false;
SELECT retry_id, trade_id, requested_by, reason, requested_at, answered_at, answer FROM settle.retry_request WHERE false;
ROLLBACK;
