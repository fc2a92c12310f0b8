BEGIN;
SELECT request_id, idempotency_key, operation, chain_id, contract_address, token_asset, state, attempts, reason, requested_by,
    evidence, created_at, updated_at
    FROM chain.chain_request WHERE false;
SELECT request_id, leg, trade_id, from_address, to_address, amount FROM chain.request_leg WHERE false;
SELECT check_id, request_id, leg, at, block_number, block_hash, paused, from_frozen, to_frozen, from_verified, to_verified,
    can_transfer, balance, frozen_tokens, verdict, code
    FROM chain.transfer_check WHERE false;
SELECT gas_id, request_id, chain_id, tx_hash, operation, succeeded, block_number, gas_limit, gas_used, gas_price_wei, created_at,
    fee_wei
    FROM chain.gas_transaction WHERE false;
SELECT event_id, chain_id, tx_hash, log_index, block_number, block_hash, address, event_name, decoded_payload, state, processed_at
    FROM chain.event_log WHERE false;
ROLLBACK;
