BEGIN;
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
    'custody_waiting_oldest_s', (SELECT extract(epoch FROM now() - min(n.created_at))::bigint FROM chain.custody_need n
        WHERE n.state = 'open'),
    'deployments', (SELECT json_build_object('running', count(*) FILTER (WHERE state = 'running'),
        'awaiting_policy', count(*) FILTER (WHERE state = 'awaiting_policy'), 'deploy_failed', count(*) FILTER (WHERE state = 'deploy_failed'))
        FROM chain.deployment WHERE state IN ('running', 'awaiting_policy', 'deploy_failed'))) AS watch;

DROP INDEX chain.payout_watched;
COMMIT;
