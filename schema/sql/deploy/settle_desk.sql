-- What operators see of settlement: how far each trade is, each token's lane, each signer's nonces, what was spent, and what
-- the worker knows of the chain. Views only, but for one row that the worker writes.
BEGIN;

-- What the worker knows of its chain: written when it changes, once a second at most, and every five seconds anyway.
CREATE TABLE settle.worker (
    chain_id      bigint PRIMARY KEY,
    head_block    bigint NOT NULL CHECK (head_block >= 0),     -- 0: not known
    final_block   bigint CHECK (final_block >= 0),             -- the chain's `finalized` one, where that decides
    confirmations bigint NOT NULL CHECK (confirmations >= 1),  -- blocks from which on a transaction is final
    trouble       text,                                        -- why nothing goes to the chain now; NULL = nothing hinders it
    endpoints     jsonb NOT NULL DEFAULT '[]',                 -- [{name, state, head, latency_ms, error_permille, …}]
    updated_at    timestamptz NOT NULL DEFAULT now(),
    due_at        timestamptz NOT NULL                         -- it writes again before that
);

-- The reasons of settle.trade in words. What is not listed (a contract's own words, a signer's) stands for itself.
CREATE FUNCTION settle.reason_text(reason text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE split_part(reason, ':', 1)
        WHEN 'no_contract' THEN 'the token has no contract on the chain'
        WHEN 'same_wallet' THEN 'buyer and seller share one wallet: nothing has to move'
        WHEN 'wallet_missing' THEN 'waits until both sides have a wallet'
        WHEN 'wallet_invalid' THEN 'a wallet is no address'
        WHEN 'contract_invalid' THEN 'the token''s contract is no address'
        WHEN 'address_checksum_wrong' THEN 'an address has a wrong checksum: it may be mistyped'
        WHEN 'contract_on_another_chain' THEN 'the token''s contract is on another chain than the worker'
        WHEN 'contract_is_no_token' THEN 'what stands at the token''s address is no such token'
        WHEN 'amount_not_representable' THEN 'the contract''s decimals cannot show the quantity'
        WHEN 'amount_above_128_bits' THEN 'an amount on the chain is above what the venue can keep'
        WHEN 'inbound_not_settled' THEN 'waits for an earlier trade by which the seller receives the tokens'
        WHEN 'node_unavailable' THEN 'waits for a node of the chain'
        WHEN 'endpoints_disagree' THEN 'waits until the nodes say the same'
        WHEN 'fee_above_cap' THEN 'waits: the network asks for more than the highest fee allowed'
        WHEN 'gas_above_limit' THEN 'the call needs more gas than is allowed'
        WHEN 'paused' THEN 'the token is paused'
        WHEN 'frozen_sender' THEN 'the seller''s wallet is frozen'
        WHEN 'frozen_receiver' THEN 'the buyer''s wallet is frozen'
        WHEN 'balance' THEN 'the seller''s wallet has too few free tokens'
        WHEN 'not_registered_sender' THEN 'the seller''s wallet has no verified identity'
        WHEN 'not_registered_receiver' THEN 'the buyer''s wallet has no verified identity'
        WHEN 'compliance' THEN 'the token''s compliance rules do not allow this transfer'
        WHEN 'reverted' THEN 'the contract refused' || coalesce(nullif(substr(reason, 9), ''), '')
        WHEN 'reverted_by_a_neighbour' THEN 'another trade of the same transaction failed; goes again'
        WHEN 'reverted_but_would_pass_now' THEN 'the transaction failed, though it would pass now; goes again'
        WHEN 'transfer_is_not_the_planned_one' THEN 'the contract moved something else than was planned: look before anything else'
        WHEN 'nonce_used_by_another_transaction' THEN 'a transaction that is not ours took the place of ours; goes again'
        WHEN 'busted' THEN 'the trade was busted'
        ELSE reason END
$$;

-- The worker is not there, or hangs.
CREATE FUNCTION settle.worker_is_silent(due_at timestamptz) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT coalesce(due_at < now(), true)
$$;

CREATE INDEX trade_failed ON settle.trade (trade_id) WHERE settlement_status = 'failed';
CREATE INDEX nonce_open ON settle.nonce (chain_id, signer_address, nonce) WHERE closed_at IS NULL;

-- A token's way to the chain. running; halted: nothing of it goes on, and why.
CREATE VIEW settle.lane AS
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

-- A signer's nonces. Open: its transaction is not mined. next_nonce: the lowest free one, or the one behind the last.
CREATE VIEW settle.signer_lane AS
SELECT s.chain_id, s.signer_address AS signer, o.open AS open_nonces,
    coalesce(o.free, greatest(s.nonce_floor, (SELECT max(nonce) + 1 FROM settle.nonce n
        WHERE n.chain_id = s.chain_id AND n.signer_address = s.signer_address))) AS next_nonce,
    extract(epoch FROM now() - o.oldest)::bigint AS oldest_open_s
FROM settle.signer s
CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE request_id IS NOT NULL) AS open,
    min(nonce) FILTER (WHERE request_id IS NULL) AS free, min(reserved_at) FILTER (WHERE request_id IS NOT NULL) AS oldest
    FROM settle.nonce n WHERE n.closed_at IS NULL AND n.chain_id = s.chain_id AND n.signer_address = s.signer_address) o;

-- All of it as one JSON object: what REST answers, Redis hears, and the metrics page is made from.
CREATE VIEW settle.status AS
SELECT json_build_object(
    'trades', (SELECT json_build_object('pending', count(*) FILTER (WHERE settlement_status = 'pending'),
        'processing', count(*) FILTER (WHERE settlement_status = 'processing'),
        'settled', count(*) FILTER (WHERE settlement_status = 'settled'),
        'failed', count(*) FILTER (WHERE settlement_status = 'failed' AND corrected_quantity IS DISTINCT FROM 0))
        FROM settle.trade),
    'oldest_pending_s', (SELECT extract(epoch FROM now() - min(created_at))::bigint FROM settle.trade
        WHERE settlement_status = 'pending'),
    'oldest_processing_s', (SELECT extract(epoch FROM now() - min(created_at))::bigint FROM settle.trade
        WHERE settlement_status = 'processing'),
    'attempts_signed', (SELECT coalesce(sum(attempts), 0) FROM chain.chain_request),
    'attempts_open', (SELECT json_build_object('prepared', count(*) FILTER (WHERE state = 'prepared'),
        'signed', count(*) FILTER (WHERE state = 'signed'), 'sent', count(*) FILTER (WHERE state = 'sent'),
        'mined', count(*) FILTER (WHERE state = 'mined'))
        FROM settle.attempt WHERE state IN ('prepared', 'signed', 'sent', 'mined')),
    'retries_waiting', (SELECT count(*) FROM settle.retry_request WHERE answered_at IS NULL),
    'results_waiting', (SELECT count(*) FROM settle.result WHERE state = 'open'),
    'gas', (SELECT json_build_object('transactions', count(*), 'reverted', count(*) FILTER (WHERE NOT succeeded),
        'gas_used', coalesce(sum(gas_used), 0), 'fee_wei', coalesce(sum(fee_wei), 0)::text,
        'fee_wei_last_day', coalesce(sum(fee_wei) FILTER (WHERE created_at > now() - interval '1 day'), 0)::text)
        FROM chain.gas_transaction),
    'workers', (SELECT coalesce(json_agg(json_build_object('chain_id', chain_id, 'head_block', head_block,
        'final_block', final_block, 'confirmations', confirmations, 'trouble', trouble,
        'silent', settle.worker_is_silent(due_at),
        'heard_s', extract(epoch FROM now() - updated_at)::bigint, 'endpoints', endpoints) ORDER BY chain_id), '[]')
        FROM settle.worker),
    'signers', (SELECT coalesce(json_agg(l ORDER BY chain_id, signer), '[]') FROM settle.signer_lane l),
    'tokens', (SELECT coalesce(json_agg(json_build_object('token', token, 'symbol', symbol, 'state', state, 'reason', reason,
        'pending', pending, 'processing', processing, 'failed', failed, 'oldest_s', oldest_s) ORDER BY token), '[]')
        FROM settle.lane)) AS status;

-- One row per trade. step: pending, claimed, prepared, signed, sent, mined, settled, failed, busted; confirmations of a
-- mined one, of those that are needed. Of several bids at a nonce the one that was mined, else the newest, is shown.
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
    s.settled_at, s.updated_at
FROM settle.trade s JOIN record.trade r USING (trade_id) JOIN people.asset a ON a.asset_id = r.token_asset
LEFT JOIN LATERAL (
    SELECT t.chain_id, t.state, t.tx_hash, t.block_number FROM chain.request_leg l JOIN settle.attempt t USING (request_id)
    WHERE l.trade_id = s.trade_id AND l.state = 'open' AND t.state IN ('prepared', 'signed', 'sent', 'mined')
    ORDER BY t.state = 'mined' DESC, t.attempt DESC LIMIT 1) x ON s.settlement_status = 'processing'
LEFT JOIN settle.worker w ON w.chain_id = x.chain_id;

GRANT SELECT, INSERT, UPDATE ON settle.worker TO lonja_settle;
GRANT SELECT ON settle.worker, settle.lane, settle.signer_lane, settle.status, settle.progress TO lonja_admin, lonja_ops;
GRANT EXECUTE ON FUNCTION settle.reason_text(text), settle.worker_is_silent(timestamptz) TO lonja_admin, lonja_ops;

COMMIT;
