-- What alert rules look at beside settle.status (gateway/ops/alerts.yaml): the signer's account in days of use, custody proofs that
-- end, requests and deployments that stand still, freezes that wait.
BEGIN;

-- What the active key's account has, as the worker last heard; NULL: it has not.
ALTER TABLE settle.worker ADD COLUMN signer_address text CHECK (signer_address ~ '^0x[0-9a-f]{40}$'),
    ADD COLUMN balance_wei numeric(78, 0) CHECK (balance_wei >= 0),
    ADD CONSTRAINT worker_balance CHECK ((signer_address IS NULL) = (balance_wei IS NULL));

CREATE INDEX gas_transaction_created ON chain.gas_transaction (created_at);

-- spent_wei: in the last seven days. days: how long the balance lasts at that pace; NULL: nothing was spent.
CREATE VIEW settle.signer_fuel AS
SELECT w.chain_id, w.signer_address AS signer, w.balance_wei, s.spent_wei,
    CASE WHEN s.spent_wei > 0 THEN trunc(w.balance_wei * s.days / s.spent_wei, 3) END AS days
FROM settle.worker w CROSS JOIN LATERAL (
    SELECT coalesce(sum(g.fee_wei), 0) AS spent_wei,
        greatest(1, least(7, extract(epoch FROM now() - min(g.created_at)) / 86400)) AS days
    FROM chain.gas_transaction g WHERE g.chain_id = w.chain_id AND g.created_at > now() - interval '7 days') s
WHERE w.signer_address IS NOT NULL;

CREATE VIEW settle.watch AS
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

GRANT SELECT ON settle.watch, settle.signer_fuel TO lonja_ops, lonja_admin;

COMMIT;
