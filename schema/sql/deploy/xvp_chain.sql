-- Settlement instructions whose token has a contract (docs/xvp.md): what the chain is to move for them is settled as trades are.
--
-- A movement is a row of settle.trade, numbered by the place of its event as a trade is, with what it is of beside it: xvp_id, and its
-- number among those of one turn (`move`), which are one transaction. One result is told to the core, by the first of them. A movement
-- that has failed is void (corrected_quantity 0, as a busted trade): the next turn has rows of its own.
BEGIN;

ALTER TABLE settle.trade ADD COLUMN xvp_id bigint, ADD COLUMN move smallint,
    ADD CONSTRAINT trade_move CHECK ((xvp_id IS NULL) = (move IS NULL));
CREATE INDEX trade_xvp ON settle.trade (xvp_id, trade_id) WHERE xvp_id IS NOT NULL;
CREATE INDEX trade_xvp_pending ON settle.trade (trade_id) WHERE xvp_id IS NOT NULL AND settlement_status = 'pending';

-- Of an instruction: nothing is signed from then on, and its legs end alike.
ALTER TABLE chain.chain_request ADD COLUMN sign_before timestamptz;

ALTER TABLE people.xvp_request ADD COLUMN chain_asset integer NOT NULL DEFAULT 0; -- as the engine is told

CREATE FUNCTION settle.move_void() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.corrected_quantity := 0;
    RETURN NEW;
END $$;
CREATE TRIGGER move_void BEFORE UPDATE OF settlement_status ON settle.trade FOR EACH ROW
    WHEN (NEW.xvp_id IS NOT NULL AND NEW.settlement_status = 'failed') EXECUTE FUNCTION settle.move_void();

-- ---- the record's events

CREATE INDEX venue_event_xvp_move ON record.venue_event ((sequence << 20 | event_index::bigint)) WHERE event = 'xvp_move';

-- In the columns of record.trade: who gives sells.
CREATE VIEW record.xvp_move AS
SELECT e.sequence << 20 | e.event_index::bigint AS trade_id, e.sequence, e.created_at, (e.body ->> 'xvp')::bigint AS xvp_id,
    (e.body ->> 'index')::smallint AS move, (e.body ->> 'count')::smallint AS moves, (e.body ->> 'asset')::integer AS token_asset,
    (e.body ->> 'from_account')::bigint AS seller_account, (e.body ->> 'to_account')::bigint AS buyer_account,
    (e.body ->> 'amount')::bigint AS quantity, a.scale AS token_scale
FROM record.venue_event e JOIN record.asset a ON a.asset_id = (e.body ->> 'asset')::integer WHERE e.event = 'xvp_move';

CREATE FUNCTION record.xvp_move_told() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    INSERT INTO settle.trade (trade_id, created_at, xvp_id, move)
        VALUES (NEW.sequence << 20 | NEW.event_index::bigint, NEW.created_at, (NEW.body ->> 'xvp')::bigint, (NEW.body ->> 'index')::smallint)
        ON CONFLICT DO NOTHING; -- the record is being rebuilt
    RETURN NULL;
END $$;
CREATE TRIGGER xvp_move_told AFTER INSERT ON record.venue_event FOR EACH ROW
    WHEN (NEW.event = 'xvp_move') EXECUTE FUNCTION record.xvp_move_told();

CREATE OR REPLACE VIEW record.xvp_step AS
SELECT (body ->> 'xvp')::bigint AS xvp_id, sequence, event_index, created_at,
    (ARRAY['created', 'approved', 'revoked', 'executed', 'cancelled', 'expired', 'refused', 'uncovered', 'settling', 'returned', 'revealed',
        'voted'])[(body ->> 'step')::integer] AS step,
    (ARRAY['created', 'approving', 'approved', 'executed', 'cancelled', 'expired', 'settling', 'armed'])[(body ->> 'state')::integer] AS state,
    nullif((body ->> 'account')::bigint, 0) AS account_id, nullif((body ->> 'operator_id')::bigint, 0) AS operator_id,
    (body ->> 'approved')::integer AS approved, (body ->> 'flags')::integer AS flags, (body ->> 'leg_count')::integer AS leg_count,
    (body ->> 'cutoff_ns')::bigint AS cutoff_ns, nullif((body ->> 'ref_number')::bigint, 0) AS ref_number, nullif((body ->> 'code')::integer, 0) AS code, (body ->> 'limit')::bigint AS reject_limit,
    (body ->> 'value')::bigint AS reject_value, (body ->> 'argument')::bigint AS reject_argument,
    coalesce((body ->> 'votes')::integer, 0) AS votes, coalesce((body ->> 'external_count')::integer, 0) AS external_count,
    coalesce((body ->> 'lock')::integer, 0) & 2 = 2 AS revealed,
    nullif((body ->> 'chain_asset')::integer, 0) AS chain_asset
FROM record.venue_event WHERE event = 'xvp_changed';

CREATE OR REPLACE VIEW record.xvp AS
SELECT l.xvp_id, l.state, l.approved, l.flags, l.leg_count, l.cutoff_ns, l.sequence, l.code, l.account_id AS last_account, l.created_at AS changed_at,
    f.created_at, l.votes, l.external_count, l.revealed, l.chain_asset
FROM record.xvp_step f
JOIN LATERAL (SELECT s.* FROM record.xvp_step s WHERE s.xvp_id = f.xvp_id ORDER BY s.sequence DESC, s.event_index DESC LIMIT 1) l ON true
WHERE f.step = 'created';

-- settlement: `chain` is not atomic with the ledger: what is given is held until the chain has moved the token. tx_hash and what follows
-- are of its last turn there.
CREATE OR REPLACE VIEW public.settlement_instructions AS
SELECT x.xvp_id AS id, r.reference, r.name, x.state, x.state IN ('created', 'approving', 'approved', 'settling', 'armed') AS open, x.flags & 1 = 1 AS auto_execute,
    to_timestamp(x.cutoff_ns / 1000000 / 1000.0) AS cutoff, CASE WHEN x.chain_asset IS NULL THEN 'ledger' ELSE 'chain' END AS settlement, x.code AS refused_code, x.last_account,
    (SELECT json_agg(json_build_object('from', g.from_account, 'to', g.to_account, 'asset', a.symbol, 'amount',
        trim_scale(public.decimal_of(g.units, a.scale))::text, 'approved', x.approved >> g.leg & 1 = 1) ORDER BY g.leg)
        FROM record.xvp_leg g JOIN record.asset a USING (asset_id) WHERE g.xvp_id = x.xvp_id) AS legs,
    r.requested_by, x.created_at, x.changed_at, x.sequence,
    (SELECT json_agg(json_build_object('ledger', e.of ->> 'ledger', 'asset', e.of ->> 'asset', 'amount', e.of ->> 'amount',
        'from', e.of ->> 'from', 'to', e.of ->> 'to', 'claimed', e.of ->> 'claimed',
        'deadline', to_timestamp((e.of ->> 'deadline_ns')::bigint / 1000000 / 1000.0)) ORDER BY e.place)
        FROM jsonb_array_elements(r.externals) WITH ORDINALITY e (of, place)) AS externals,
    h.hash AS hashlock, s.secret, s.created_at AS revealed_at, record.xvp_voters(x.xvp_id, x.votes) AS votes_to_cancel,
    k.symbol AS chain_token, m.settlement_status AS chain_status, m.tx_hash, m.block_number, m.reason AS chain_reason
FROM record.xvp x LEFT JOIN people.xvp_request r ON r.sequence = x.xvp_id
LEFT JOIN record.xvp_lock h ON x.external_count <> 0 AND h.xvp_id = x.xvp_id AND h.secret IS NULL
LEFT JOIN record.xvp_lock s ON x.revealed AND s.xvp_id = x.xvp_id AND s.secret IS NOT NULL
LEFT JOIN record.asset k ON k.asset_id = x.chain_asset
LEFT JOIN LATERAL (SELECT w.settlement_status, w.tx_hash, w.block_number, w.reason FROM settle.trade w
    WHERE w.xvp_id = x.xvp_id AND w.move = 0 ORDER BY w.trade_id DESC LIMIT 1) m ON true;

-- ---- which tokens

-- Which of these assets no instruction can have: the chain settles it and cannot for an instruction, or it would be the second. NULL: none.
CREATE OR REPLACE FUNCTION people.xvp_asset_on_chain(of_assets integer[]) RETURNS integer LANGUAGE sql SECURITY DEFINER SET search_path = '' AS $$
    WITH settled AS (SELECT t.asset_id, t.contract_address IS NOT NULL AND t.custody = 'watched' AND NOT d.runs AS can
        FROM people.token t CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM chain.deployment d
            WHERE d.asset_id = t.asset_id AND d.state IN ('running', 'awaiting_policy')) AS runs) d
        WHERE t.asset_id = ANY (of_assets) AND (t.contract_address IS NOT NULL OR d.runs))
    SELECT coalesce((SELECT min(asset_id) FROM settled WHERE NOT can), (SELECT max(asset_id) FROM settled HAVING count(*) > 1))
$$;

-- The one that its contract settles. NULL: the ledger settles all.
CREATE FUNCTION people.xvp_chain_asset(of_assets integer[]) RETURNS integer LANGUAGE sql SECURITY DEFINER SET search_path = '' AS $$
    SELECT min(t.asset_id) FROM people.token t WHERE t.asset_id = ANY (of_assets) AND t.contract_address IS NOT NULL
$$;

-- ---- compared with the chain

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
    WHERE s.settlement_status <> 'settled' OR s.settlement_type = 'off_chain'
    UNION ALL -- and of instructions what the chain has moved and the ledger has not: the other way round
    SELECT m.token_asset, x.account_id, x.sign * m.quantity, 'processing', NULL
    FROM settle.trade s JOIN record.xvp_move m USING (trade_id)
    CROSS JOIN LATERAL (VALUES (m.seller_account, -1), (m.buyer_account, 1)) x (account_id, sign)
    WHERE s.xvp_id IS NOT NULL AND s.settlement_status = 'settled'
        AND NOT EXISTS (SELECT FROM record.xvp_step e WHERE e.xvp_id = s.xvp_id AND e.step = 'executed')),
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

INSERT INTO settle.reason_word (word, words, todo) VALUES
    ('cut_off_passed', 'the instruction''s cut-off is too near, or has passed: nothing of it is signed any more',
        'nothing: it has come back and ends at its cut-off; write another with a later one'),
    ('custody_is_frozen', 'the token is kept in frozen custody, which instructions do not know',
        'trade it, or lonja admin custody ASSET watched');

GRANT SELECT ON record.xvp_move, record.xvp_step TO lonja_settle;
GRANT SELECT ON record.xvp_move, record.xvp_step TO lonja_index;
GRANT UPDATE (sign_before) ON chain.chain_request TO lonja_settle;
GRANT EXECUTE ON FUNCTION people.xvp_chain_asset(integer[]) TO lonja_admin;

COMMIT;
