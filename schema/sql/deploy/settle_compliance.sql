-- U7, M28: a transfer that its token's rules did not allow any more, at the block before the one that took it, is an incident, too.
BEGIN;

ALTER TABLE settle.incident DROP CONSTRAINT incident_kind_check,
    ADD CONSTRAINT incident_kind_check CHECK (kind IN ('moved_twice', 'moved_though_failed', 'settled_but_lost',
        'not_the_planned_transfer', 'compliance_changed'));
-- Chain and rows agree about it: its token goes on, so that nobody can halt one by freezing a wallet at the right moment.
ALTER TABLE settle.incident ADD COLUMN halts boolean GENERATED ALWAYS AS (kind <> 'compliance_changed') STORED;

CREATE OR REPLACE VIEW settle.held AS
SELECT trade_id, token_asset, venue, reason, account_id FROM settle.hold WHERE released_at IS NULL
UNION ALL
SELECT NULL, token_asset, false, 'incident: ' || kind, NULL FROM settle.incident WHERE closed_at IS NULL AND halts;

CREATE OR REPLACE VIEW settle.lane AS
SELECT t.asset_id AS token, a.symbol, t.contract_address,
    CASE WHEN coalesce(h.reason, i.reason) IS NOT NULL THEN 'halted' WHEN o.reason IS NOT NULL THEN 'held' ELSE 'running' END AS state,
    coalesce(h.reason, i.reason, o.reason) AS reason,
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
    ELSE c.trouble END AS reason) h
LEFT JOIN LATERAL (SELECT 'incident: ' || min(kind) AS reason FROM settle.incident x
    WHERE x.closed_at IS NULL AND x.halts AND x.token_asset = t.asset_id) i ON true
LEFT JOIN LATERAL (SELECT min(reason) AS reason FROM settle.hold x
    WHERE x.released_at IS NULL AND (x.venue OR x.token_asset = t.asset_id)) o ON true;

INSERT INTO settle.reason_word (word, words, todo) VALUES
    ('compliance_changed', 'what was allowed when it was signed was not any more when a block took it', 'lonja admin settlement TRADE: evidence, at_mined_block; tell who answers for compliance, close it');

COMMIT;
