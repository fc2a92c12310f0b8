BEGIN;

REVOKE UPDATE (succeeded, block_number, gas_used, gas_price_wei) ON chain.gas_transaction FROM lonja_settle;

CREATE OR REPLACE VIEW settle.lane AS
SELECT t.asset_id AS token, a.symbol, t.contract_address,
    CASE WHEN h.reason IS NULL THEN 'running' ELSE 'halted' END AS state, h.reason,
    coalesce(w.pending, 0) AS pending, coalesce(w.processing, 0) AS processing, coalesce(w.failed, 0) AS failed,
    extract(epoch FROM now() - w.oldest)::bigint AS oldest_s
FROM people.token t JOIN people.asset a USING (asset_id)
LEFT JOIN (
    SELECT r.token_asset, count(*) FILTER (WHERE settlement_status = 'pending') AS pending,
        count(*) FILTER (WHERE settlement_status = 'processing') AS processing,
        count(*) FILTER (WHERE settlement_status = 'failed') AS failed,
        min(s.created_at) FILTER (WHERE settlement_status <> 'failed') AS oldest
    FROM (SELECT trade_id, created_at, settlement_status FROM settle.trade WHERE settlement_status = 'pending'
        UNION ALL SELECT trade_id, created_at, settlement_status FROM settle.trade WHERE settlement_status = 'processing'
        UNION ALL SELECT trade_id, created_at, settlement_status FROM settle.trade
            WHERE settlement_status = 'failed' AND corrected_quantity IS DISTINCT FROM 0) s
    JOIN record.trade r USING (trade_id) GROUP BY r.token_asset) w ON w.token_asset = t.asset_id
LEFT JOIN LATERAL (SELECT max(due_at) AS due_at FROM settle.worker) k ON true
LEFT JOIN settle.worker c ON c.chain_id = t.chain_id AND t.contract_address IS NOT NULL
CROSS JOIN LATERAL (SELECT CASE WHEN settle.worker_is_silent(k.due_at) THEN 'worker_silent'
    WHEN t.contract_address IS NOT NULL AND c.chain_id IS NULL THEN 'contract_on_another_chain'
    ELSE c.trouble END AS reason) h;

COMMIT;
