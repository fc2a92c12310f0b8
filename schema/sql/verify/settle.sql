BEGIN;
SELECT trade_id, settlement_status, settlement_attempts, settlement_type, tx_hash, settled_at, reason
    FROM settle.trade WHERE false;
SELECT trade_id, from_status, to_status, at FROM settle.trade_settlement_history WHERE false;
SELECT chain_id, signer_address, nonce, request_id FROM settle.nonce WHERE false;
SELECT request_id, attempt, raw, tx_hash, state FROM settle.attempt WHERE false;
SELECT trade_id, reason FROM settle.retry_request WHERE false;
ROLLBACK;
