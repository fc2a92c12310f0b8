BEGIN;

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
    'holds', (SELECT count(*) FROM settle.hold WHERE released_at IS NULL),
    'marks_open', (SELECT count(*) FROM settle.manual_mark WHERE answered_at IS NULL AND withdrawn_at IS NULL),
    'incidents_open', (SELECT count(*) FROM settle.incident WHERE closed_at IS NULL),
    'attempts_ended', (SELECT json_build_object('confirmed', count(*) FILTER (WHERE state = 'confirmed'),
        'reverted', count(*) FILTER (WHERE state = 'reverted'), 'replaced', count(*) FILTER (WHERE state = 'replaced'),
        'dropped', count(*) FILTER (WHERE state = 'dropped')) FROM settle.attempt
        WHERE state IN ('confirmed', 'reverted', 'replaced', 'dropped')),
    'retries_waiting', (SELECT count(*) FROM settle.retry_request WHERE answered_at IS NULL),
    'results_waiting', (SELECT count(*) FROM settle.result WHERE state = 'open'),
    'gas', (SELECT json_build_object('transactions', count(*), 'reverted', count(*) FILTER (WHERE NOT succeeded),
        'gas_used', coalesce(sum(gas_used), 0), 'fee_wei', coalesce(sum(fee_wei), 0)::text,
        'fee_wei_last_day', coalesce(sum(fee_wei) FILTER (WHERE created_at > now() - interval '1 day'), 0)::text)
        FROM chain.gas_transaction),
    'workers', (SELECT coalesce(json_agg(json_build_object('chain_id', chain_id, 'head_block', head_block,
        'final_block', final_block, 'confirmations', confirmations, 'trouble', trouble,
        'trouble_text', settle.reason_text(trouble), 'todo', settle.reason_todo(trouble), 'pool', pool, 'counters', counters,
        'silent', settle.worker_is_silent(due_at),
        'heard_s', extract(epoch FROM now() - updated_at)::bigint, 'endpoints', endpoints) ORDER BY chain_id), '[]')
        FROM settle.worker),
    'signers', (SELECT coalesce(json_agg(l ORDER BY chain_id, signer), '[]') FROM settle.signer_lane l),
    'tokens', (SELECT coalesce(json_agg(json_build_object('token', token, 'symbol', symbol, 'state', state, 'reason', reason,
        'reason_text', CASE state WHEN 'held' THEN reason ELSE settle.reason_text(reason) END,
        'todo', CASE state WHEN 'held' THEN settle.reason_todo('held') ELSE settle.reason_todo(reason) END,
        'pending', pending, 'processing', processing, 'failed', failed, 'oldest_s', oldest_s) ORDER BY token), '[]')
        FROM settle.lane)) AS status;

DROP TRIGGER trades_gone ON settle.trade;
DROP FUNCTION settle.trades_gone();
CREATE OR REPLACE FUNCTION settle.trade_kept() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF EXISTS (SELECT FROM settle.trade_settlement_history h WHERE h.trade_id = OLD.trade_id) THEN
        RAISE EXCEPTION 'trade %: it has a history', OLD.trade_id USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN OLD;
END $$;

CREATE OR REPLACE FUNCTION settle.trades_changed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' SET enable_nestloop = off AS $$
DECLARE
    messages integer;
    any_pending boolean;
BEGIN
    WITH changed AS (
        INSERT INTO settle.trade_settlement_history (trade_id, from_status, to_status, attempt, tx_hash, reason)
        SELECT n.trade_id, o.settlement_status, n.settlement_status, n.total_attempts, n.tx_hash, n.reason
        FROM new_rows n JOIN old_rows o ON o.trade_id = n.trade_id
        WHERE (o.settlement_status, o.tx_hash, o.reason) IS DISTINCT FROM (n.settlement_status, n.tx_hash, n.reason)
        ORDER BY n.trade_id RETURNING trade_id, from_status, to_status, tx_hash, reason),
    alike AS (SELECT c.*, (row_number() OVER (PARTITION BY to_status, tx_hash, reason ORDER BY trade_id) - 1) / 200 AS part
        FROM changed c),
    told AS (SELECT pg_catalog.pg_notify('settlement', jsonb_build_object('status', to_status, 'tx_hash', tx_hash,
            'reason', left(reason, 500), 'trades', string_agg(trade_id::text, ' ' ORDER BY trade_id))::text) AS message,
            bool_or(to_status = 'pending' AND from_status <> 'pending') AS pending
        FROM alike GROUP BY to_status, tx_hash, reason, part)
    SELECT count(message), bool_or(pending) INTO messages, any_pending FROM told;
    IF any_pending THEN
        NOTIFY settle;
    END IF;
    RETURN NULL;
END $$;

DROP TABLE settle.tally;

COMMIT;
