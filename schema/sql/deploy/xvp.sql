-- Settlement instructions (docs/xvp.md): what was asked for, and what became of it.
--
-- The instruction is the engine's; here is under which reference it was asked for (primary data, as people.ledger_request), and the
-- record's events of it as tables. A token that has a contract, or is being deployed, takes part in none, and the other way round.
BEGIN;

CREATE TABLE people.xvp_request (
    reference    text PRIMARY KEY CHECK (length(reference) BETWEEN 1 AND 128),
    number       bigint NOT NULL UNIQUE CHECK (number > 0), -- of people.ledger_number; the engine's source for it is 15
    content_hash bigint NOT NULL,
    name         text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    cutoff_ns    bigint NOT NULL CHECK (cutoff_ns > 0),
    auto_execute boolean NOT NULL,
    legs         jsonb NOT NULL, -- [[from, to, asset, kind, units], …]: as the engine is told
    assets       integer[] NOT NULL,
    operator_id  integer NOT NULL REFERENCES people.login,
    requested_by text NOT NULL,
    state        text NOT NULL DEFAULT 'requested' CHECK (state IN ('requested', 'done', 'rejected')),
    sequence     bigint UNIQUE CHECK (sequence > 0), -- the instruction's id, once answered
    reject_code  integer CHECK (reject_code > 0),
    created_at   timestamptz NOT NULL DEFAULT now(),
    answered_at  timestamptz,
    CHECK ((state = 'requested') = (answered_at IS NULL)),
    CHECK ((state = 'rejected') = (reject_code IS NOT NULL)),
    CHECK (state <> 'done' OR sequence IS NOT NULL)
);
CREATE INDEX xvp_request_open ON people.xvp_request (number) WHERE state = 'requested';

-- ---- the record's events

CREATE INDEX venue_event_xvp ON record.venue_event (((body ->> 'xvp')::bigint), sequence, event_index)
    WHERE event IN ('xvp_changed', 'xvp_leg');

CREATE VIEW record.xvp_step AS
SELECT (body ->> 'xvp')::bigint AS xvp_id, sequence, event_index, created_at,
    (ARRAY['created', 'approved', 'revoked', 'executed', 'cancelled', 'expired', 'refused', 'uncovered'])[(body ->> 'step')::integer] AS step,
    (ARRAY['created', 'approving', 'approved', 'executed', 'cancelled', 'expired'])[(body ->> 'state')::integer] AS state,
    nullif((body ->> 'account')::bigint, 0) AS account_id, nullif((body ->> 'operator_id')::bigint, 0) AS operator_id,
    (body ->> 'approved')::integer AS approved, (body ->> 'flags')::integer AS flags, (body ->> 'leg_count')::integer AS leg_count,
    (body ->> 'cutoff_ns')::bigint AS cutoff_ns, nullif((body ->> 'ref_number')::bigint, 0) AS ref_number, nullif((body ->> 'code')::integer, 0) AS code, (body ->> 'limit')::bigint AS reject_limit,
    (body ->> 'value')::bigint AS reject_value, (body ->> 'argument')::bigint AS reject_argument
FROM record.venue_event WHERE event = 'xvp_changed';

CREATE VIEW record.xvp_leg AS
SELECT (body ->> 'xvp')::bigint AS xvp_id, (body ->> 'index')::smallint AS leg, (body ->> 'from_account')::bigint AS from_account,
    (body ->> 'to_account')::bigint AS to_account, (body ->> 'asset')::integer AS asset_id, (body ->> 'amount')::bigint AS units
FROM record.venue_event WHERE event = 'xvp_leg';

-- As it is now. reason: why it could not be executed when all had approved, if that was the last thing that happened.
CREATE VIEW record.xvp AS
SELECT l.xvp_id, l.state, l.approved, l.flags, l.leg_count, l.cutoff_ns, l.sequence, l.code, l.account_id AS last_account, l.created_at AS changed_at,
    f.created_at
FROM record.xvp_step f
JOIN LATERAL (SELECT s.* FROM record.xvp_step s WHERE s.xvp_id = f.xvp_id ORDER BY s.sequence DESC, s.event_index DESC LIMIT 1) l ON true
WHERE f.step = 'created';

-- For people and gateways: an instruction with its legs, and what the operator called it.
CREATE VIEW public.settlement_instructions AS
SELECT x.xvp_id AS id, r.reference, r.name, x.state, x.state IN ('created', 'approving', 'approved') AS open, x.flags & 1 = 1 AS auto_execute,
    to_timestamp(x.cutoff_ns / 1000000 / 1000.0) AS cutoff, 'ledger'::text AS settlement, x.code AS refused_code, x.last_account,
    (SELECT json_agg(json_build_object('from', g.from_account, 'to', g.to_account, 'asset', a.symbol, 'amount',
        trim_scale(public.decimal_of(g.units, a.scale))::text, 'approved', x.approved >> g.leg & 1 = 1) ORDER BY g.leg)
        FROM record.xvp_leg g JOIN record.asset a USING (asset_id) WHERE g.xvp_id = x.xvp_id) AS legs,
    r.requested_by, x.created_at, x.changed_at, x.sequence
FROM record.xvp x LEFT JOIN people.xvp_request r ON r.sequence = x.xvp_id;

-- Open, as far as anybody here knows: what the record has not got yet is.
CREATE VIEW people.xvp_open AS
SELECT r.reference, r.assets FROM people.xvp_request r
WHERE r.state <> 'rejected' AND NOT EXISTS (SELECT FROM record.xvp x WHERE x.xvp_id = r.sequence AND x.state IN ('executed', 'cancelled', 'expired'));

-- ---- not with the chain

CREATE FUNCTION people.xvp_bars_contract() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    which text;
BEGIN
    PERFORM FROM people.asset a WHERE a.asset_id = NEW.asset_id FOR UPDATE; -- as who creates an instruction
    SELECT o.reference INTO which FROM people.xvp_open o WHERE NEW.asset_id = ANY (o.assets) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'settlement instruction "%" has this token: cancel or execute it first', which
            USING ERRCODE = 'check_violation', CONSTRAINT = 'xvp';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER xvp_bars_new_contract BEFORE INSERT ON people.token FOR EACH ROW
    WHEN (NEW.contract_address IS NOT NULL) EXECUTE FUNCTION people.xvp_bars_contract();
CREATE TRIGGER xvp_bars_contract BEFORE UPDATE OF contract_address ON people.token FOR EACH ROW
    WHEN (NEW.contract_address IS NOT NULL AND OLD.contract_address IS NULL) EXECUTE FUNCTION people.xvp_bars_contract();
CREATE TRIGGER xvp_bars_deployment BEFORE INSERT ON chain.deployment FOR EACH ROW EXECUTE FUNCTION people.xvp_bars_contract();

-- Which of these assets the chain settles, or soon will. NULL: none.
CREATE FUNCTION people.xvp_asset_on_chain(of_assets integer[]) RETURNS integer LANGUAGE sql SECURITY DEFINER SET search_path = '' AS $$
    SELECT min(t.asset_id) FROM people.token t WHERE t.asset_id = ANY (of_assets) AND (t.contract_address IS NOT NULL OR EXISTS
        (SELECT FROM chain.deployment d WHERE d.asset_id = t.asset_id AND d.state IN ('running', 'awaiting_policy')))
$$;

-- ---- what accounts got and gave

CREATE OR REPLACE VIEW public.wallet_transactions AS
SELECT e.sequence, e.event_index, e.line, e.account_id AS user_id,
    CASE e.cause WHEN 'deficit_changed' THEN 'deficit_covered' WHEN 'trade_corrected' THEN 'trade_correction'
        WHEN 'xvp_posted' THEN 'settlement_instruction' ELSE e.cause END AS type, a.symbol AS currency,
    public.decimal_of(e.available + e.held, a.scale) AS amount, 'completed'::text AS status,
    c.trade_id, e.created_at
FROM record.ledger_entry e JOIN record.asset a ON a.asset_id = e.asset_id
LEFT JOIN record.trade_correction c ON c.sequence = e.sequence AND c.event_index = e.event_index
WHERE e.cause IN ('deposit', 'withdrawal', 'credit', 'debit', 'transfer', 'chain_in', 'chain_out', 'cover',
    'deficit_changed', 'trade_corrected', 'xvp_posted') AND e.account_id > 15 AND e.available + e.held <> 0
UNION ALL
SELECT t.sequence, t.event_index, 0::smallint, t.buyer_account, 'token_buy', a.symbol,
    public.decimal_of(-t.notional - t.buyer_fee, 6::smallint), 'completed', t.trade_id, s.created_at
FROM record.trade t JOIN record.asset a ON a.asset_id = t.cash_asset JOIN settle.trade s USING (trade_id)
UNION ALL
SELECT t.sequence, t.event_index, 1::smallint, t.seller_account, 'token_sell', a.symbol,
    public.decimal_of(t.notional - t.seller_fee, 6::smallint), 'completed', t.trade_id, s.created_at
FROM record.trade t JOIN record.asset a ON a.asset_id = t.cash_asset JOIN settle.trade s USING (trade_id);

GRANT SELECT, INSERT, UPDATE ON people.xvp_request TO lonja_admin;
GRANT EXECUTE ON FUNCTION people.xvp_asset_on_chain(integer[]) TO lonja_admin;
GRANT SELECT ON record.xvp, record.xvp_step, record.xvp_leg TO lonja_admin, lonja_ops;
GRANT SELECT ON record.xvp_leg TO lonja_web;
GRANT SELECT ON public.settlement_instructions TO lonja_admin, lonja_web, lonja_ops;

COMMIT;
