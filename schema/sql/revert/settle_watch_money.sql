BEGIN;
UPDATE settle.reason_word SET words = 'the escrow wallet is not the key that signs, so nothing can be paid from it',
    todo = 'the signer''s active key must be the escrow''s: lonja admin stablecoin; docs/stablecoin.md' WHERE word = 'escrow_of_another_key';
REVOKE SELECT (chain_id, escrow_address) ON people.stablecoin FROM lonja_settle;
DROP VIEW chain.stablecoin_status;
CREATE VIEW chain.stablecoin_status AS
SELECT c.asset_id AS asset, a.symbol, c.chain_id, c.contract_address, c.escrow_address, c.decimals, c.state, c.reason, c.asked_by,
    trim_scale(public.decimal_of(coalesce(-(SELECT b.available + b.held FROM record.balance b
        WHERE b.account_id = 1 AND b.asset_id = c.asset_id), 0), a.scale))::text AS ledger,
    trim_scale(coalesce(p.leaving, 0) / 10::numeric ^ c.decimals)::text AS leaving, coalesce(p.unclear, 0) AS unclear,
    trim_scale(coalesce(u.amount, 0) / 10::numeric ^ c.decimals)::text AS unmatched, coalesce(u.transfers, 0) AS unmatched_transfers,
    s.next_block - 1 AS read_to_block
FROM people.stablecoin c JOIN people.asset a USING (asset_id)
LEFT JOIN chain.index_source s ON s.chain_id = c.chain_id AND s.address = lower(c.contract_address) AND s.kind = 'stablecoin'
LEFT JOIN LATERAL (SELECT sum(o.amount) FILTER (WHERE o.state IN ('open', 'unclear')) AS leaving, count(*) FILTER (WHERE o.state = 'unclear') AS unclear
    FROM chain.payout o WHERE o.asset_id = c.asset_id) p ON true
LEFT JOIN LATERAL (SELECT sum(t.amount) AS amount, count(*) AS transfers FROM chain.transfer t
    WHERE t.token_asset = c.asset_id AND t.class = 'unmatched' AND t.state = 'confirmed'
        AND NOT EXISTS (SELECT FROM chain.payout o WHERE o.event_id = t.event_id AND o.state = 'paid')
        AND NOT EXISTS (SELECT FROM chain.unmatched_kept k WHERE k.event_id = t.event_id)) u ON true;
GRANT SELECT ON chain.stablecoin_status TO lonja_admin, lonja_ops;
CREATE OR REPLACE VIEW settle.watch AS
SELECT json_build_object(
    'proofs', (SELECT coalesce(json_agg(json_build_object('symbol', symbol, 'valid', (state = 'valid')::int, 'waiting', waiting,
            'expires_s', CASE state WHEN 'valid' THEN extract(epoch FROM expires_at - now())::bigint END) ORDER BY token), '[]')
        FROM chain.custody_proof_standing WHERE contract_address IS NOT NULL),
    'fuel', (SELECT coalesce(json_agg(json_build_object('chain_id', chain_id, 'signer', signer, 'balance_wei', balance_wei::text,
            'days', days::text) ORDER BY chain_id), '[]') FROM settle.signer_fuel),
    -- Of what is no trade's: it waits, and since when.
    'requests_waiting', (SELECT count(*) FROM chain.chain_request r WHERE r.state = 'prepared' AND NOT EXISTS (
        SELECT FROM chain.request_leg l WHERE l.request_id = r.request_id AND l.trade_id IS NOT NULL)),
    'requests_waiting_oldest_s', (SELECT extract(epoch FROM now() - min(r.created_at))::bigint FROM chain.chain_request r
        WHERE r.state = 'prepared' AND NOT EXISTS (
        SELECT FROM chain.request_leg l WHERE l.request_id = r.request_id AND l.trade_id IS NOT NULL)),
    'unconfirmed_oldest_s', (SELECT extract(epoch FROM now() - min(a.sent_at))::bigint FROM settle.attempt a
        WHERE a.state IN ('sent', 'mined')),
    -- A withdrawal that has failed is put back, a return that has failed leaves its money unmatched.
    'payouts_troubled', (SELECT count(*) FROM chain.payout
        WHERE state = 'unclear' OR (state = 'failed' AND kind = 'withdrawal')),
    'payouts_oldest_s', (SELECT extract(epoch FROM now() - min(created_at))::bigint FROM chain.payout WHERE state = 'open'),
    'custody_waiting_oldest_s', (SELECT extract(epoch FROM now() - min(n.created_at))::bigint FROM chain.custody_need n
        WHERE n.state = 'open'),
    'deployments', (SELECT json_build_object('running', count(*) FILTER (WHERE state = 'running'),
        'awaiting_policy', count(*) FILTER (WHERE state = 'awaiting_policy'), 'deploy_failed', count(*) FILTER (WHERE state = 'deploy_failed'))
        FROM chain.deployment WHERE state IN ('running', 'awaiting_policy', 'deploy_failed'))) AS watch;

DROP INDEX chain.transfer_unmatched;
COMMIT;
