-- What operators see of settlement, every five seconds, counts what is open and no longer what is settled: that is kept count of.
BEGIN;

-- One row. Its only writer is who settles: the worker that leads, or a rebuild.
CREATE TABLE settle.tally (
    one     boolean PRIMARY KEY DEFAULT true CHECK (one),
    settled bigint NOT NULL CHECK (settled >= 0)
);
INSERT INTO settle.tally (settled) SELECT count(*) FROM settle.trade WHERE settlement_status = 'settled';

CREATE OR REPLACE FUNCTION settle.trades_changed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' SET enable_nestloop = off AS $$
DECLARE
    messages integer;
    newly_settled bigint;
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
            bool_or(to_status = 'pending' AND from_status <> 'pending') AS pending,
            count(*) FILTER (WHERE to_status = 'settled' AND from_status <> 'settled') AS settled
        FROM alike GROUP BY to_status, tx_hash, reason, part)
    SELECT count(message), sum(settled), bool_or(pending) INTO messages, newly_settled, any_pending FROM told;
    IF newly_settled > 0 THEN
        UPDATE settle.tally SET settled = settled + newly_settled;
    END IF;
    IF any_pending THEN
        NOTIFY settle;
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION settle.trade_kept() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF EXISTS (SELECT FROM settle.trade_settlement_history h WHERE h.trade_id = OLD.trade_id) THEN
        RAISE EXCEPTION 'trade %: it has a history', OLD.trade_id USING ERRCODE = 'foreign_key_violation';
    END IF;
    IF OLD.settlement_status = 'settled' THEN
        UPDATE settle.tally SET settled = settled - 1;
    END IF;
    RETURN OLD;
END $$;

CREATE FUNCTION settle.trades_gone() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    UPDATE settle.tally SET settled = 0;
    RETURN NULL;
END $$;
CREATE TRIGGER trades_gone AFTER TRUNCATE ON settle.trade FOR EACH STATEMENT EXECUTE FUNCTION settle.trades_gone();

CREATE OR REPLACE VIEW settle.status AS
SELECT json_build_object(
    'trades', json_build_object('pending', (SELECT count(*) FROM settle.trade WHERE settlement_status = 'pending'),
        'processing', (SELECT count(*) FROM settle.trade WHERE settlement_status = 'processing'),
        'settled', (SELECT settled FROM settle.tally),
        'failed', (SELECT count(*) FROM settle.trade WHERE settlement_status = 'failed' AND corrected_quantity IS DISTINCT FROM 0)),
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

GRANT SELECT ON settle.tally TO lonja_settle, lonja_admin, lonja_ops;

COMMIT;
