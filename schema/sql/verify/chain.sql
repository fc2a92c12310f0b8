BEGIN;
SELECT request_id, idempotency_key, state FROM chain.chain_request WHERE false;
SELECT request_id, leg, trade_id, amount FROM chain.request_leg WHERE false;
SELECT check_id, verdict, code FROM chain.transfer_check WHERE false;
SELECT tx_hash, fee_wei FROM chain.gas_transaction WHERE false;
SELECT chain_id, tx_hash, log_index, decoded_payload FROM chain.event_log WHERE false;
ROLLBACK;
