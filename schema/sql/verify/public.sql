BEGIN;
-- F3, as printed in the requirements.
SELECT t.*, k.contract_address, b.wallet_address AS buyer_wallet, s.wallet_address AS seller_wallet
FROM trades t JOIN tokens k ON k.id = t.token_id JOIN users b ON b.id = t.buyer_id JOIN users s ON s.id = t.seller_id
WHERE t.settlement_status = 'pending' AND t.settlement_attempts < 5
ORDER BY t.created_at ASC LIMIT 10 FOR UPDATE OF t SKIP LOCKED;
SELECT id, fiat_balance, kyc_status, kyc_level, accreditation_status, fatca_status, nationality, wallet_address,
    is_activated FROM users WHERE false;
SELECT user_id, token_id, balance, locked_balance FROM wallets WHERE false;
SELECT user_id, currency, balance FROM user_balances WHERE false;
SELECT side, order_type, quantity, price, status FROM orders WHERE false;
SELECT order_id, from_status, to_status, at FROM order_status_history WHERE false;
SELECT trade_id, from_status, to_status, at FROM trade_settlement_history WHERE false;
SELECT type, status FROM wallet_transactions WHERE false;
SELECT id, tx_hash, block_number, event_name, decoded_payload, processed_at FROM event_log WHERE false;
SELECT tx_hash, gas_used FROM gas_transactions WHERE false;
SELECT reviewer_id, created_at, action_type, decision_details FROM audit_logs WHERE false;
SELECT * FROM order_rejects WHERE false;
ROLLBACK;
