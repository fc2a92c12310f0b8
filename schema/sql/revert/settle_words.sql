BEGIN;
REVOKE SELECT ON chain.movement FROM lonja_settle;
DROP VIEW settle.attempt_list, settle.incident_list, settle.mark_list, settle.hold_list;
DROP VIEW settle.progress;
CREATE OR REPLACE VIEW settle.status AS
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
DROP FUNCTION settle.reason_todo(text);
ALTER TABLE settle.worker DROP COLUMN pool, DROP COLUMN counters;
-- The reasons of settle.trade in words. What is not listed (a contract's own words, a signer's) stands for itself.
CREATE OR REPLACE FUNCTION settle.reason_text(reason text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
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
GRANT SELECT ON settle.progress TO lonja_admin, lonja_ops;
DROP TABLE settle.reason_word;
COMMIT;
