BEGIN;

DROP VIEW settle.progress;
CREATE VIEW settle.progress AS
SELECT s.trade_id AS trade, s.created_at, r.instrument_id AS instrument, r.token_asset AS token, a.symbol,
    trim_scale(public.decimal_of(coalesce(s.corrected_quantity, r.quantity), r.token_scale))::text AS quantity,
    r.buyer_account AS buyer, r.seller_account AS seller, s.settlement_status AS status,
    CASE WHEN s.corrected_quantity = 0 THEN 'busted' WHEN s.settlement_status = 'processing' THEN coalesce(x.state, 'claimed')
        ELSE s.settlement_status END AS step,
    s.settlement_type AS type, coalesce(x.tx_hash, s.tx_hash) AS tx_hash, coalesce(x.block_number, s.block_number) AS block,
    CASE WHEN x.state = 'mined' THEN greatest(w.head_block - x.block_number + 1, 0) END AS confirmations,
    CASE WHEN x.state = 'mined' THEN w.confirmations END AS confirmations_needed,
    s.reason, settle.reason_text(s.reason) AS reason_text, s.settlement_attempts AS attempts, s.total_attempts,
    s.settled_at, s.updated_at, settle.reason_todo(s.reason) AS todo
FROM settle.trade s JOIN record.trade r USING (trade_id) JOIN people.asset a ON a.asset_id = r.token_asset
LEFT JOIN LATERAL (
    SELECT t.chain_id, t.state, t.tx_hash, t.block_number FROM chain.request_leg l JOIN settle.attempt t USING (request_id)
    WHERE l.trade_id = s.trade_id AND l.state = 'open' AND t.state IN ('prepared', 'signed', 'sent', 'mined')
    ORDER BY t.state = 'mined' DESC, t.attempt DESC LIMIT 1) x ON s.settlement_status = 'processing'
LEFT JOIN settle.worker w ON w.chain_id = x.chain_id;
GRANT SELECT ON settle.progress TO lonja_admin, lonja_ops;
DELETE FROM settle.reason_word WHERE word IN ('netting_module_not_reviewed', 'rebuilt_from_tape');

COMMIT;
