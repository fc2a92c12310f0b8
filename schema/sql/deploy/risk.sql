-- Risk and ledger: limits, controls, jurisdictions, fees, kill switches, two persons and their proposals, deficits,
-- corrections of trades, rights of sessions for their accounts.
-- Rows written before this change keep what they have; SELECT record.forget() writes them again from the tape.
BEGIN;

-- ---- the record: what holds now; numbers are those of schema/records.h, 0 = off as there

CREATE TABLE record.session (
    session_id    integer PRIMARY KEY,
    member_id     integer NOT NULL,
    gateway       smallint NOT NULL,
    flags         smallint NOT NULL,
    account_count integer NOT NULL,
    sequence      bigint NOT NULL
);
CREATE TABLE record.session_account (
    session_id integer NOT NULL,
    account_id integer NOT NULL,
    rights     smallint NOT NULL, -- enum session_right
    sequence   bigint NOT NULL,
    PRIMARY KEY (session_id, account_id)
);
CREATE TABLE record.limits (
    scope           smallint NOT NULL, -- enum limit_scope
    id              integer NOT NULL,  -- of the member, account or session
    order_value_max bigint NOT NULL,
    daily_value_max bigint NOT NULL,
    open_orders_max bigint NOT NULL,
    messages_max    bigint NOT NULL,
    messages_ms     bigint NOT NULL,
    duplicate_ms    bigint NOT NULL,
    executions_max  bigint NOT NULL,
    executions_ms   bigint NOT NULL,
    flags           smallint NOT NULL, -- enum limit_flag
    sequence        bigint NOT NULL,
    PRIMARY KEY (scope, id)
);
CREATE TABLE record.instrument_controls (
    instrument_id     integer PRIMARY KEY,
    dynamic_bps       bigint NOT NULL,
    limit_state_ms    bigint NOT NULL,
    nav_stale_ms      bigint NOT NULL,
    nav_stale_action  smallint NOT NULL, -- enum nav_stale_action
    investor_types    smallint NOT NULL, -- bit accreditation - 1; 0 = all
    concentration_bps bigint NOT NULL,
    position_max      bigint NOT NULL,
    supply            bigint NOT NULL,
    sequence          bigint NOT NULL
);
-- One row per instrument: a list without codes has a mode all the same.
CREATE TABLE record.jurisdictions (
    instrument_id integer PRIMARY KEY,
    mode          smallint NOT NULL,   -- enum jurisdictions_mode
    codes         smallint[] NOT NULL, -- ISO 3166 numeric, ascending
    sequence      bigint NOT NULL
);
CREATE TABLE record.fees (
    account_id     integer NOT NULL, -- 0 = any account in the instrument
    instrument_id  integer NOT NULL, -- 0 = the account in any instrument
    sell_maker_bps integer NOT NULL,
    sell_taker_bps integer NOT NULL,
    buy_maker_bps  integer NOT NULL,
    buy_taker_bps  integer NOT NULL,
    sequence       bigint NOT NULL,
    PRIMARY KEY (account_id, instrument_id)
);
-- Every switch that was ever used, as it was left. operator_id is people.login.login_id, here and below.
CREATE TABLE record.kill (
    scope       smallint NOT NULL, -- enum kill_scope
    id          integer NOT NULL,  -- of the account, member or session; 0 = the venue
    killed      boolean NOT NULL,
    operator_id integer NOT NULL,
    changed_at  timestamptz NOT NULL,
    sequence    bigint NOT NULL,
    PRIMARY KEY (scope, id)
);
CREATE TABLE record.venue_rules (
    only_row    boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    flags       bigint NOT NULL, -- enum venue_rule
    operator_id integer NOT NULL,
    changed_at  timestamptz NOT NULL,
    sequence    bigint NOT NULL
);

-- What was proposed stands in people.proposal (and in the journal); here is what became of it. One that has expired
-- stays open: nothing happens then.
CREATE TABLE record.proposal (
    proposal_id bigint PRIMARY KEY, -- the sequence of its command
    proposed    text NOT NULL,      -- name of the command in schema/records.def
    proposer    integer NOT NULL,
    approver    integer,            -- who approved or withdrew it
    state       text NOT NULL CHECK (state IN ('open', 'approved', 'withdrawn', 'failed')),
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    decided_at  timestamptz,
    sequence    bigint NOT NULL,    -- of the last change: where the command was carried out
    CHECK ((state = 'open') = (decided_at IS NULL))
);
CREATE INDEX proposal_open ON record.proposal (proposal_id) WHERE state = 'open';
CREATE TABLE record.proposal_event (
    proposal_id bigint NOT NULL,
    sequence    bigint NOT NULL,
    event_index integer NOT NULL,
    created_at  timestamptz NOT NULL,
    state       text NOT NULL,
    operator_id integer NOT NULL, -- who did it
    PRIMARY KEY (proposal_id, sequence, event_index)
);

-- What an outside fact took and was not there (docs/risk.md, 7); the sum is record.balance.deficit of the owner.
CREATE TABLE record.deficit_change (
    sequence        bigint NOT NULL,
    event_index     integer NOT NULL,
    created_at      timestamptz NOT NULL,
    account_id      integer NOT NULL, -- the owner
    asset_id        integer NOT NULL,
    amount          bigint NOT NULL,  -- negative: made good
    counter_account integer NOT NULL,
    entered         boolean NOT NULL, -- its double entry is that of the ledger_posted before it
    deficit         bigint NOT NULL,  -- after
    available       bigint NOT NULL,  -- of the owner, after
    PRIMARY KEY (sequence, event_index)
);
CREATE INDEX deficit_change_account ON record.deficit_change (account_id, asset_id, sequence);

-- Corrections and busts; record.trade keeps the trade as it was.
CREATE TABLE record.trade_correction (
    sequence       bigint NOT NULL,
    event_index    integer NOT NULL,
    created_at     timestamptz NOT NULL,
    trade_id       bigint NOT NULL,
    instrument_id  integer NOT NULL,
    buyer_account  integer NOT NULL,
    seller_account integer NOT NULL,
    operator_id    integer NOT NULL,
    quantity       bigint NOT NULL, -- changes, as the three that follow
    notional       bigint NOT NULL,
    buyer_fee      bigint NOT NULL,
    seller_fee     bigint NOT NULL,
    token_short    bigint NOT NULL CHECK (token_short >= 0), -- of what the buyer gave: a deficit
    cash_short     bigint NOT NULL CHECK (cash_short >= 0),  -- of what the payer paid: a deficit
    new_quantity   bigint NOT NULL CHECK (new_quantity >= 0), -- what remains; 0 = a bust
    PRIMARY KEY (sequence, event_index)
);
CREATE INDEX trade_correction_trade ON record.trade_correction (trade_id, sequence);

ALTER TABLE record.balance ADD COLUMN deficit bigint NOT NULL DEFAULT 0; -- no part of available or held
CREATE INDEX balance_deficit ON record.balance (asset_id, account_id) WHERE deficit <> 0;
-- cause: name of the event; of a ledger_posted: deposit, withdrawal, credit, debit, transfer, chain_in, chain_out, cover.
ALTER TABLE record.ledger_entry ADD COLUMN deficit bigint NOT NULL DEFAULT 0;
ALTER TABLE record.instrument_state ADD COLUMN limit_state_end_ns bigint NOT NULL DEFAULT 0; -- 0 = in no limit state

CREATE OR REPLACE FUNCTION record.forget() RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = '' AS $$
    UPDATE record.cursor SET sequence = 0, time_ns = 0, checksum = 0, updated_at = now(); -- first, as the recorder
    TRUNCATE record.asset, record.instrument, record.instrument_state, record.venue_event, record.orders,
        record.order_event, record.reject, record.trade, record.ledger_entry, record.balance, record.auction,
        record.instrument_rules, record.tick_band, record.schedule_entry, record.session, record.session_account,
        record.limits, record.instrument_controls, record.jurisdictions, record.fees, record.kill,
        record.venue_rules, record.proposal, record.proposal_event, record.deficit_change, record.trade_correction;
$$;

-- ---- settlement of a corrected trade

-- What remains of it; NULL = it is as it was traded. A busted one (0) is never settled again. No checks and no foreign
-- key: the engine does not know trades, and a row that Postgres refused would stop the record of the whole venue.
ALTER TABLE settle.trade
    ADD COLUMN corrected_seq        bigint,
    ADD COLUMN corrected_quantity   bigint,
    ADD COLUMN corrected_notional   bigint,
    ADD COLUMN corrected_buyer_fee  bigint,
    ADD COLUMN corrected_seller_fee bigint;

-- The recorder inserts, in the transaction of the record's own row; the trigger does the rest. Primary data: a record
-- that is being rebuilt must not make a busted trade whole for a while.
CREATE TABLE settle.correction (
    trade_id     bigint NOT NULL,
    sequence     bigint NOT NULL,
    quantity     bigint NOT NULL, -- changes, as the three that follow
    notional     bigint NOT NULL,
    buyer_fee    bigint NOT NULL,
    seller_fee   bigint NOT NULL,
    new_quantity bigint NOT NULL,
    PRIMARY KEY (trade_id, sequence)
);
CREATE FUNCTION settle.corrected() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    UPDATE settle.trade s SET corrected_seq = NEW.sequence, corrected_quantity = NEW.new_quantity,
        corrected_notional = coalesce(s.corrected_notional, r.notional) + NEW.notional,
        corrected_buyer_fee = coalesce(s.corrected_buyer_fee, r.buyer_fee) + NEW.buyer_fee,
        corrected_seller_fee = coalesce(s.corrected_seller_fee, r.seller_fee) + NEW.seller_fee,
        reason = CASE WHEN NEW.new_quantity = 0 THEN 'busted' ELSE s.reason END
    FROM record.trade r WHERE s.trade_id = NEW.trade_id AND r.trade_id = NEW.trade_id;
    RETURN NULL;
END $$;
CREATE TRIGGER corrected AFTER INSERT ON settle.correction FOR EACH ROW EXECUTE FUNCTION settle.corrected();

CREATE OR REPLACE FUNCTION settle.trade_updated() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF (OLD.settlement_status, NEW.settlement_status) NOT IN ( -- F1, F4, F7, U11
        ('pending', 'processing'), ('pending', 'settled'), ('pending', 'failed'),
        ('processing', 'settled'), ('processing', 'pending'), ('processing', 'failed'),
        ('failed', 'pending'), ('failed', 'processing'))
        AND OLD.settlement_status <> NEW.settlement_status THEN
        RAISE EXCEPTION 'trade %: settlement cannot go from % to %',
            NEW.trade_id, OLD.settlement_status, NEW.settlement_status USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.corrected_quantity = 0 AND NEW.settlement_status IN ('pending', 'processing')
        AND OLD.settlement_status <> NEW.settlement_status THEN
        RAISE EXCEPTION 'trade %: it is busted and never settled', NEW.trade_id USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.settlement_status = 'settled' AND NEW.tx_hash IS DISTINCT FROM OLD.tx_hash THEN
        RAISE EXCEPTION 'trade %: the hash of a settled trade is final', NEW.trade_id
            USING ERRCODE = 'check_violation';
    END IF;
    NEW.updated_at := clock_timestamp();
    IF (OLD.settlement_status, OLD.tx_hash, OLD.reason)
        IS DISTINCT FROM (NEW.settlement_status, NEW.tx_hash, NEW.reason) THEN
        INSERT INTO settle.trade_settlement_history (trade_id, from_status, to_status, attempt, tx_hash, reason)
            VALUES (NEW.trade_id, OLD.settlement_status, NEW.settlement_status, NEW.total_attempts,
                    NEW.tx_hash, NEW.reason);
        PERFORM pg_notify('settlement', jsonb_build_object('trade_id', NEW.trade_id,
            'status', NEW.settlement_status, 'tx_hash', NEW.tx_hash, 'reason', NEW.reason)::text);
    END IF;
    IF NEW.settlement_status = 'pending' AND OLD.settlement_status <> 'pending' THEN
        NOTIFY settle;
    END IF;
    RETURN NEW;
END $$;

-- ---- people: the reasons

INSERT INTO people.account (account_id, name) VALUES (4, 'deficits');

ALTER TABLE people.session_account
    ADD COLUMN rights smallint NOT NULL DEFAULT 7 CHECK (rights BETWEEN 1 AND 7); -- enum session_right

-- What an operator proposed, as he wrote it: whoever approves reads this. Written in the transaction in which the core
-- has answered; a proposal of the core without a row here (its answer was lost) can only be withdrawn.
CREATE TABLE people.proposal (
    proposal_id bigint PRIMARY KEY CHECK (proposal_id > 0), -- as in record.proposal
    call        text NOT NULL,                              -- path below /api/v1/admin
    body        jsonb NOT NULL,
    proposed    text NOT NULL,                              -- name of the command
    note        text NOT NULL DEFAULT '',
    login_id    integer NOT NULL REFERENCES people.login,
    created_at  timestamptz NOT NULL DEFAULT now()
);

-- source: direct requests have 1, whose numbers reach the engine in order; a request that waits for its approval has a
-- source of its own (4..15) until it is decided, so that nothing overtakes its number. `withdrawn`: not carried out
-- (withdrawn, or expired); it may be asked for again, as one that was rejected.
ALTER TABLE people.ledger_request
    ADD COLUMN source             smallint NOT NULL DEFAULT 1 CHECK (source = 1 OR source BETWEEN 4 AND 15),
    ADD COLUMN counter_account_id integer REFERENCES people.account, -- transfer: who gets it
    ADD COLUMN operator_id        integer REFERENCES people.login,
    ADD COLUMN proposal_id        bigint REFERENCES people.proposal,
    DROP CONSTRAINT ledger_request_kind_check,
    ADD CONSTRAINT ledger_request_kind_check CHECK (kind IN ('deposit', 'withdrawal', 'credit', 'debit', 'transfer',
        'chain_in', 'chain_out', 'cover', 'correction')),
    DROP CONSTRAINT ledger_request_state_check,
    ADD CONSTRAINT ledger_request_state_check CHECK (state IN ('requested', 'proposed', 'done', 'rejected', 'withdrawn')),
    DROP CONSTRAINT ledger_request_check,
    ADD CONSTRAINT ledger_request_check CHECK ((state IN ('requested', 'proposed')) = (answered_at IS NULL)),
    ADD CHECK ((kind = 'transfer') = (counter_account_id IS NOT NULL)),
    ADD CHECK (state <> 'proposed' OR source > 1);
CREATE UNIQUE INDEX ledger_request_lane ON people.ledger_request (source) WHERE state = 'proposed';

-- The content of a request of kind correction (account, asset and amount are the buyer's, the token, the old quantity).
CREATE TABLE people.correction_request (
    reference      text PRIMARY KEY REFERENCES people.ledger_request,
    trade_id       bigint NOT NULL,
    instrument_id  integer NOT NULL,
    buyer_account  integer NOT NULL,
    seller_account integer NOT NULL,
    quantity       bigint NOT NULL, new_quantity   bigint NOT NULL,
    notional       bigint NOT NULL, new_notional   bigint NOT NULL,
    buyer_fee      bigint NOT NULL, new_buyer_fee  bigint NOT NULL,
    seller_fee     bigint NOT NULL, new_seller_fee bigint NOT NULL
);
CREATE INDEX correction_request_trade ON people.correction_request (trade_id);

-- ---- views: new columns at the end

-- Quantity, total and fees are what remains; traded_* what was traded. The price of a corrected trade is what its total
-- comes to. status: executed, corrected, busted.
CREATE OR REPLACE VIEW public.trades AS
SELECT r.trade_id AS id, s.created_at, r.instrument_id, r.token_asset AS token_id,
    r.buyer_account AS buyer_id, r.seller_account AS seller_id,
    r.buyer_order AS buy_order_id, r.seller_order AS sell_order_id, r.taker_side,
    public.decimal_of(CASE WHEN s.corrected_quantity > 0
        THEN div(s.corrected_notional * 10::numeric ^ r.token_scale, s.corrected_quantity)::bigint
        ELSE r.price END, 6::smallint) AS price,
    public.decimal_of(coalesce(s.corrected_quantity, r.quantity), r.token_scale) AS quantity,
    public.decimal_of(coalesce(s.corrected_notional, r.notional), 6::smallint) AS total,
    public.decimal_of(coalesce(s.corrected_buyer_fee, r.buyer_fee) + coalesce(s.corrected_seller_fee, r.seller_fee),
        6::smallint) AS fee,
    public.decimal_of(coalesce(s.corrected_buyer_fee, r.buyer_fee), 6::smallint) AS buyer_fee,
    public.decimal_of(coalesce(s.corrected_seller_fee, r.seller_fee), 6::smallint) AS seller_fee,
    r.sequence, r.event_index, r.created_ns,
    CASE WHEN s.corrected_quantity > 0
        THEN div(s.corrected_notional * 10::numeric ^ r.token_scale, s.corrected_quantity)::bigint
        ELSE r.price END AS price_cash,
    coalesce(s.corrected_quantity, r.quantity) AS quantity_units, r.token_scale,
    coalesce(s.corrected_notional, r.notional) - coalesce(s.corrected_seller_fee, r.seller_fee) AS seller_proceeds_cash,
    s.settlement_status, s.settlement_attempts, s.total_attempts, s.settlement_type, s.tx_hash,
    s.block_number, s.reason AS settlement_reason, s.settled_at, r.kind,
    CASE WHEN s.corrected_quantity IS NULL THEN 'executed' WHEN s.corrected_quantity = 0 THEN 'busted'
        ELSE 'corrected' END AS status,
    public.decimal_of(r.quantity, r.token_scale) AS traded_quantity,
    public.decimal_of(r.notional, 6::smallint) AS traded_total, s.corrected_seq
FROM record.trade r JOIN settle.trade s ON s.trade_id = r.trade_id;

CREATE VIEW public.trade_corrections AS
SELECT c.sequence AS id, c.created_at, c.trade_id, c.buyer_account AS buyer_id, c.seller_account AS seller_id,
    CASE WHEN c.new_quantity = 0 THEN 'busted' ELSE 'corrected' END AS status,
    public.decimal_of(c.quantity, t.token_scale) AS quantity_change,
    public.decimal_of(c.new_quantity, t.token_scale) AS new_quantity,
    public.decimal_of(c.notional, 6::smallint) AS total_change,
    public.decimal_of(c.buyer_fee, 6::smallint) AS buyer_fee_change,
    public.decimal_of(c.seller_fee, 6::smallint) AS seller_fee_change,
    public.decimal_of(c.token_short, t.token_scale) AS token_short,
    public.decimal_of(c.cash_short, 6::smallint) AS cash_short, c.operator_id
FROM record.trade_correction c JOIN record.trade t USING (trade_id);

CREATE OR REPLACE VIEW public.wallets AS
SELECT b.account_id AS user_id, b.asset_id AS token_id, a.symbol,
    public.decimal_of(b.available + b.held, a.scale) AS balance,
    public.decimal_of(b.held, a.scale) AS locked_balance,
    public.decimal_of(b.unsettled, a.scale) AS unsettled_balance,
    public.decimal_of(b.blocked, a.scale) AS blocked_balance, b.sequence,
    public.decimal_of(b.deficit, a.scale) AS deficit
FROM record.balance b JOIN record.asset a ON a.asset_id = b.asset_id AND a.kind = 2;

CREATE OR REPLACE VIEW public.user_balances AS
SELECT b.account_id AS user_id, a.symbol AS currency,
    public.decimal_of(b.available + b.held, a.scale) AS balance,
    public.decimal_of(b.held, a.scale) AS locked_balance,
    public.decimal_of(b.unsettled, a.scale) AS unsettled_balance, b.sequence,
    public.decimal_of(b.deficit, a.scale) AS deficit
FROM record.balance b JOIN record.asset a ON a.asset_id = b.asset_id AND a.kind = 1;

-- Trades as they were traded; what a correction gave back or took has lines of its own.
CREATE OR REPLACE VIEW public.wallet_transactions AS
SELECT e.sequence, e.event_index, e.line, e.account_id AS user_id,
    CASE e.cause WHEN 'deficit_changed' THEN 'deficit_covered' WHEN 'trade_corrected' THEN 'trade_correction'
        ELSE e.cause END AS type, a.symbol AS currency,
    public.decimal_of(e.available + e.held, a.scale) AS amount, 'completed'::text AS status,
    c.trade_id, e.created_at
FROM record.ledger_entry e JOIN record.asset a ON a.asset_id = e.asset_id
LEFT JOIN record.trade_correction c ON c.sequence = e.sequence AND c.event_index = e.event_index
WHERE e.cause IN ('deposit', 'withdrawal', 'credit', 'debit', 'transfer', 'chain_in', 'chain_out', 'cover',
    'deficit_changed', 'trade_corrected') AND e.account_id > 15 AND e.available + e.held <> 0
UNION ALL
SELECT t.sequence, t.event_index, 0::smallint, t.buyer_account, 'token_buy', a.symbol,
    public.decimal_of(-t.notional - t.buyer_fee, 6::smallint), 'completed', t.trade_id, s.created_at
FROM record.trade t JOIN record.asset a ON a.asset_id = t.cash_asset JOIN settle.trade s USING (trade_id)
UNION ALL
SELECT t.sequence, t.event_index, 1::smallint, t.seller_account, 'token_sell', a.symbol,
    public.decimal_of(t.notional - t.seller_fee, 6::smallint), 'completed', t.trade_id, s.created_at
FROM record.trade t JOIN record.asset a ON a.asset_id = t.cash_asset JOIN settle.trade s USING (trade_id);

-- Proposals in words; what nobody can read (no row in people) can only be withdrawn.
CREATE VIEW public.proposals AS
SELECT r.proposal_id AS id, CASE WHEN r.state = 'open' AND r.expires_at < now() THEN 'expired' ELSE r.state END AS state,
    r.proposed, p.call, p.body, p.note, r.proposer AS proposer_id, one.login_name AS proposer,
    r.approver AS approver_id, other.login_name AS approver, r.created_at, r.expires_at, r.decided_at,
    CASE WHEN r.state <> 'open' THEN r.sequence END AS decided_sequence
FROM record.proposal r LEFT JOIN people.proposal p USING (proposal_id)
LEFT JOIN people.login one ON one.login_id = r.proposer
LEFT JOIN people.login other ON other.login_id = r.approver;

CREATE OR REPLACE FUNCTION public.reason_word(reason smallint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT (ARRAY['by_owner', 'ioc', 'disconnect', 'by_venue', 'suspended', 'mass_cancel', 'limit', 'breaker', 'fok',
        'minimum_quantity', 'self_trade', 'expired', 'auction', 'amended', 'volatility', 'killed', 'band',
        'uncovered'])[reason];
$$;

-- Figures for operations: nobody's name.
CREATE VIEW public.risk_figures AS
SELECT (SELECT count(*) FROM record.kill WHERE killed) AS kill_switches,
    (SELECT count(*) FROM record.proposal WHERE state = 'open' AND expires_at > now()) AS proposals_waiting,
    (SELECT count(*) FROM record.balance WHERE deficit <> 0) AS deficits;

-- ---- rights

GRANT SELECT, INSERT, UPDATE ON record.session, record.limits, record.instrument_controls, record.jurisdictions,
    record.kill, record.venue_rules, record.proposal, record.proposal_event, record.deficit_change,
    record.trade_correction TO lonja_record;
GRANT SELECT, INSERT, UPDATE, DELETE ON record.session_account, record.fees TO lonja_record;
GRANT INSERT ON settle.correction TO lonja_record;
GRANT SELECT ON settle.correction TO lonja_settle;
GRANT SELECT ON record.session, record.session_account, record.limits, record.instrument_controls,
    record.jurisdictions, record.fees, record.kill, record.venue_rules, record.proposal, record.proposal_event,
    record.deficit_change, record.trade_correction, settle.correction, public.trade_corrections, public.proposals,
    public.risk_figures TO lonja_admin;
GRANT SELECT, INSERT ON people.proposal TO lonja_admin;
GRANT SELECT, INSERT, DELETE ON people.correction_request TO lonja_admin;
GRANT SELECT ON public.trade_corrections TO lonja_web, lonja_ops;
GRANT SELECT ON public.risk_figures TO lonja_ops;

COMMIT;
