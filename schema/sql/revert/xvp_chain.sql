-- Revert xvp_chain: only while no instruction has gone to the chain.
BEGIN;

DO $$
BEGIN
    IF EXISTS (SELECT FROM settle.trade WHERE xvp_id IS NOT NULL) THEN
        RAISE EXCEPTION 'instructions have been settled on the chain';
    END IF;
END $$;

DELETE FROM settle.reason_word WHERE word IN ('cut_off_passed', 'custody_is_frozen');
CREATE OR REPLACE FUNCTION chain.reconcile_figures(of_chain bigint, at_block bigint)
    RETURNS TABLE (token_asset integer, symbol text, contract text, scale smallint, decimals smallint, wallet text,
        account_id integer, total numeric, deficit numeric, in_flight numeric, chain_moved numeric, booking numeric,
        refused numeric, chain_dust numeric, chain_indexed numeric, off_chain numeric, chain_unbooked numeric,
        chain_unplanned numeric)
    LANGUAGE sql STABLE SET search_path = '' AS $$
WITH tokens AS (
    SELECT t.asset_id, a.symbol, lower(t.contract_address) AS contract, a.scale, t.decimals
    FROM people.token t JOIN people.asset a ON a.asset_id = t.asset_id
    JOIN chain.index_source s ON s.chain_id = of_chain AND s.address = lower(t.contract_address) AND s.next_block > at_block
    WHERE t.chain_id = of_chain AND t.contract_address IS NOT NULL),
moves AS ( -- of every trade that the chain has to move: by wallet's account
    SELECT r.token_asset, x.account_id, x.sign * coalesce(s.corrected_quantity, r.quantity) AS units, s.settlement_status,
        s.settlement_type
    FROM settle.trade s JOIN record.trade r ON r.trade_id = s.trade_id
    CROSS JOIN LATERAL (VALUES (r.seller_account, 1), (r.buyer_account, -1)) x (account_id, sign)
    WHERE s.settlement_status <> 'settled' OR s.settlement_type = 'off_chain'),
flights AS (
    SELECT m.token_asset, m.account_id, coalesce(sum(m.units) FILTER (WHERE m.settlement_status <> 'settled'), 0) AS in_flight,
        coalesce(-sum(m.units) FILTER (WHERE m.settlement_type = 'off_chain'), 0) AS off_chain
    FROM moves m GROUP BY 1, 2),
legs AS ( -- done on the chain or said to be done, not both
    SELECT o.token_asset, x.wallet, sum(x.sign * o.amount) AS moved FROM (
        SELECT q.token_asset, l.from_address, l.to_address, l.amount
        FROM chain.chain_request q JOIN chain.movement l ON l.request_id = q.request_id
        JOIN chain.transfer t ON t.request_id = l.request_id AND t.leg = l.leg AND t.state = 'confirmed' AND t.block_number <= at_block
        WHERE q.chain_id = of_chain AND l.trade_id IS NOT NULL AND q.state IN ('prepared', 'awaiting_approval', 'signed', 'sent', 'mined')
        UNION ALL
        SELECT q.token_asset, l.from_address, l.to_address, -l.amount
        FROM settle.attempt a JOIN chain.chain_request q ON q.request_id = a.request_id
        JOIN chain.request_leg l ON l.request_id = q.request_id
        WHERE a.state = 'confirmed' AND a.block_number > at_block AND q.chain_id = of_chain AND q.state = 'confirmed'
            AND l.trade_id IS NOT NULL AND l.state = 'done') o
    CROSS JOIN LATERAL (VALUES (lower(o.from_address), -1), (lower(o.to_address), 1)) x (wallet, sign)
    GROUP BY 1, 2),
bookings AS (
    SELECT p.token_asset, p.account_id,
        coalesce(sum(CASE p.kind WHEN 'chain_in' THEN p.units ELSE -p.units END) FILTER (WHERE p.state = 'open'
            OR p.sequence > (SELECT c.sequence FROM record.cursor c)), 0) AS booking,
        coalesce(sum(CASE p.kind WHEN 'chain_in' THEN p.units ELSE -p.units END) FILTER (WHERE p.state = 'refused'), 0) AS refused
    FROM chain.ledger_posting p GROUP BY 1, 2),
flows AS (
    SELECT t.token_asset, x.wallet, sum(x.sign * t.amount) AS indexed,
        coalesce(sum(x.sign * t.amount) FILTER (WHERE t.class IN ('outside', 'other', 'request', 'unplanned') AND NOT x.counted), 0) AS unbooked,
        coalesce(sum(x.sign * t.amount) FILTER (WHERE t.class = 'unplanned'), 0) AS unplanned
    FROM chain.transfer t
    CROSS JOIN LATERAL (VALUES (t.from_address, -1, t.from_counted), (t.to_address, 1, t.to_counted)) x (wallet, sign, counted)
    WHERE t.chain_id = of_chain AND t.state = 'confirmed' AND t.block_number <= at_block GROUP BY 1, 2)
SELECT k.asset_id, k.symbol, k.contract, k.scale, k.decimals, lower(a.wallet_address), a.account_id,
    coalesce(b.available + b.held, 0), coalesce(b.deficit, 0), coalesce(f.in_flight, 0), coalesce(l.moved, 0),
    coalesce(p.booking, 0), coalesce(p.refused, 0),
    coalesce(n.net - n.booked * (10::numeric ^ k.decimals / 10::numeric ^ k.scale), 0), coalesce(w.indexed, 0),
    coalesce(f.off_chain, 0), coalesce(w.unbooked, 0), coalesce(w.unplanned, 0)
FROM tokens k CROSS JOIN people.account a
LEFT JOIN record.balance b ON b.account_id = a.account_id AND b.asset_id = k.asset_id
LEFT JOIN flights f ON f.account_id = a.account_id AND f.token_asset = k.asset_id
LEFT JOIN legs l ON l.wallet = lower(a.wallet_address) AND l.token_asset = k.asset_id
LEFT JOIN bookings p ON p.account_id = a.account_id AND p.token_asset = k.asset_id
LEFT JOIN chain.wallet_net n ON n.address = lower(a.wallet_address) AND n.token_asset = k.asset_id
LEFT JOIN flows w ON w.wallet = lower(a.wallet_address) AND w.token_asset = k.asset_id
WHERE a.wallet_address IS NOT NULL AND (b.account_id IS NOT NULL OR w.wallet IS NOT NULL OR f.account_id IS NOT NULL)
ORDER BY k.asset_id, a.account_id
$$;
DROP FUNCTION people.xvp_chain_asset(integer[]);
-- Which of these assets the chain settles, or soon will. NULL: none.
CREATE OR REPLACE FUNCTION people.xvp_asset_on_chain(of_assets integer[]) RETURNS integer LANGUAGE sql SECURITY DEFINER SET search_path = '' AS $$
    SELECT min(t.asset_id) FROM people.token t WHERE t.asset_id = ANY (of_assets) AND (t.contract_address IS NOT NULL OR EXISTS
        (SELECT FROM chain.deployment d WHERE d.asset_id = t.asset_id AND d.state IN ('running', 'awaiting_policy')))
$$;
DROP VIEW record.xvp_watch;
DROP VIEW record.xvp_open;
DROP VIEW public.settlement_instructions;
DROP VIEW people.xvp_open;
DROP VIEW record.xvp;
DROP VIEW record.xvp_step;
CREATE VIEW record.xvp_step AS
SELECT (body ->> 'xvp')::bigint AS xvp_id, sequence, event_index, created_at,
    (ARRAY['created', 'approved', 'revoked', 'executed', 'cancelled', 'expired', 'refused', 'uncovered', 'settling', 'returned', 'revealed',
        'voted'])[(body ->> 'step')::integer] AS step,
    (ARRAY['created', 'approving', 'approved', 'executed', 'cancelled', 'expired', 'settling', 'armed'])[(body ->> 'state')::integer] AS state,
    nullif((body ->> 'account')::bigint, 0) AS account_id, nullif((body ->> 'operator_id')::bigint, 0) AS operator_id,
    (body ->> 'approved')::integer AS approved, (body ->> 'flags')::integer AS flags, (body ->> 'leg_count')::integer AS leg_count,
    (body ->> 'cutoff_ns')::bigint AS cutoff_ns, nullif((body ->> 'ref_number')::bigint, 0) AS ref_number, nullif((body ->> 'code')::integer, 0) AS code, (body ->> 'limit')::bigint AS reject_limit,
    (body ->> 'value')::bigint AS reject_value, (body ->> 'argument')::bigint AS reject_argument,
    coalesce((body ->> 'votes')::integer, 0) AS votes, coalesce((body ->> 'external_count')::integer, 0) AS external_count,
    coalesce((body ->> 'lock')::integer, 0) & 2 = 2 AS revealed
FROM record.venue_event WHERE event = 'xvp_changed';

CREATE VIEW record.xvp AS
SELECT l.xvp_id, l.state, l.approved, l.flags, l.leg_count, l.cutoff_ns, l.sequence, l.code, l.account_id AS last_account, l.created_at AS changed_at,
    f.created_at, l.votes, l.external_count, l.revealed
FROM record.xvp_step f
JOIN LATERAL (SELECT s.* FROM record.xvp_step s WHERE s.xvp_id = f.xvp_id ORDER BY s.sequence DESC, s.event_index DESC LIMIT 1) l ON true
WHERE f.step = 'created';

CREATE VIEW public.settlement_instructions AS
SELECT x.xvp_id AS id, r.reference, r.name, x.state, x.state IN ('created', 'approving', 'approved', 'settling', 'armed') AS open, x.flags & 1 = 1 AS auto_execute,
    to_timestamp(x.cutoff_ns / 1000000 / 1000.0) AS cutoff, 'ledger'::text AS settlement, x.code AS refused_code, x.last_account,
    (SELECT json_agg(json_build_object('from', g.from_account, 'to', g.to_account, 'asset', a.symbol, 'amount',
        trim_scale(public.decimal_of(g.units, a.scale))::text, 'approved', x.approved >> g.leg & 1 = 1) ORDER BY g.leg)
        FROM record.xvp_leg g JOIN record.asset a USING (asset_id) WHERE g.xvp_id = x.xvp_id) AS legs,
    r.requested_by, x.created_at, x.changed_at, x.sequence,
    (SELECT json_agg(json_build_object('ledger', e.of ->> 'ledger', 'asset', e.of ->> 'asset', 'amount', e.of ->> 'amount',
        'from', e.of ->> 'from', 'to', e.of ->> 'to', 'claimed', e.of ->> 'claimed',
        'deadline', to_timestamp((e.of ->> 'deadline_ns')::bigint / 1000000 / 1000.0)) ORDER BY e.place)
        FROM jsonb_array_elements(r.externals) WITH ORDINALITY e (of, place)) AS externals,
    h.hash AS hashlock, s.secret, s.created_at AS revealed_at, record.xvp_voters(x.xvp_id, x.votes) AS votes_to_cancel
FROM record.xvp x LEFT JOIN people.xvp_request r ON r.sequence = x.xvp_id
LEFT JOIN record.xvp_lock h ON x.external_count <> 0 AND h.xvp_id = x.xvp_id AND h.secret IS NULL
LEFT JOIN record.xvp_lock s ON x.revealed AND s.xvp_id = x.xvp_id AND s.secret IS NOT NULL;

CREATE VIEW people.xvp_open AS
SELECT r.reference, r.assets FROM people.xvp_request r
WHERE r.state <> 'rejected' AND NOT EXISTS (SELECT FROM record.xvp x WHERE x.xvp_id = r.sequence AND x.state IN ('executed', 'cancelled', 'expired'));

DROP TRIGGER xvp_move_told ON record.venue_event;
DROP FUNCTION record.xvp_move_told();
DROP VIEW record.xvp_move;
DROP INDEX record.venue_event_xvp_move;
DROP TRIGGER move_void ON settle.trade;
DROP FUNCTION settle.move_void();
ALTER TABLE people.xvp_request DROP COLUMN chain_asset;
ALTER TABLE chain.chain_request DROP COLUMN sign_before;
ALTER TABLE settle.trade DROP COLUMN xvp_id, DROP COLUMN move;

GRANT SELECT ON record.xvp, record.xvp_step TO lonja_admin, lonja_ops;
GRANT SELECT ON public.settlement_instructions TO lonja_admin, lonja_web, lonja_ops;

-- One that waits for the chain may be open behind its cut-off: looked at for 30 days.
CREATE VIEW record.xvp_open AS
SELECT l.xvp_id, l.state, l.approved, l.cutoff_ns, l.revealed
FROM (SELECT (body ->> 'xvp')::bigint AS xvp_id FROM record.venue_event WHERE event = 'xvp_changed' AND body ->> 'step' = '1'
    AND (body ->> 'cutoff_ns')::bigint > (extract(epoch FROM now())::bigint - 30 * 86400) * 1000000000) f
JOIN LATERAL (SELECT s.* FROM record.xvp_step s WHERE s.xvp_id = f.xvp_id ORDER BY s.sequence DESC, s.event_index DESC LIMIT 1) l ON true
WHERE l.state IN ('created', 'approving', 'approved', 'settling', 'armed');

-- escrow: what the approvals of open ones hold, by their legs; held: what entries of instructions have set aside and not moved or given
-- back. The same, or something is wrong.
CREATE VIEW record.xvp_watch AS
WITH open AS MATERIALIZED (SELECT * FROM record.xvp_open),
moves AS (
    SELECT o.xvp_id, x.account, g.asset_id, sum(x.units) AS net, bool_or(x.gives AND o.approved >> g.leg & 1 = 1) AS approved, bool_or(x.gives) AS gives
    FROM open o JOIN record.xvp_leg g ON g.xvp_id = o.xvp_id
    CROSS JOIN LATERAL (VALUES (g.from_account, -g.units, true), (g.to_account, g.units, false)) x (account, units, gives)
    GROUP BY 1, 2, 3),
senders AS (SELECT xvp_id, account, bool_or(approved) AS approved FROM moves GROUP BY 1, 2 HAVING bool_or(gives)),
escrow AS (
    SELECT m.asset_id, -sum(m.net) AS units, 0::numeric AS held FROM moves m JOIN senders s USING (xvp_id, account) WHERE m.net < 0 AND s.approved GROUP BY 1
    UNION ALL
    SELECT e.asset_id, 0, sum(e.held) FROM record.ledger_entry e WHERE e.cause = 'xvp_posted' GROUP BY 1)
SELECT json_build_object(
    'open', (SELECT json_object_agg(s.state, (SELECT count(*) FROM open o WHERE o.state = s.state))
        FROM (VALUES ('created'), ('approving'), ('approved'), ('settling'), ('armed')) s (state)),
    'cutoff_s', (SELECT coalesce(json_object_agg(n.state, n.s), '{}') FROM (
        SELECT o.state, (min(o.cutoff_ns) / 1000000000 - extract(epoch FROM now()))::bigint AS s FROM open o GROUP BY 1) n),
    'approvals_missing', (SELECT count(*) FROM senders WHERE NOT approved),
    'secrets', (SELECT count(*) FROM open WHERE revealed),
    'escrow', (SELECT coalesce(json_agg(json_build_object('asset', a.symbol, 'approved', trim_scale(public.decimal_of(e.units::bigint, a.scale))::text,
            'held', trim_scale(public.decimal_of(e.held::bigint, a.scale))::text) ORDER BY a.symbol), '[]')
        FROM (SELECT asset_id, sum(units) AS units, sum(held) AS held FROM escrow GROUP BY 1) e JOIN record.asset a USING (asset_id))) AS xvp;

GRANT SELECT ON record.xvp_open, record.xvp_watch TO lonja_ops, lonja_admin;

COMMIT;
