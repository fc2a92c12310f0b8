-- The matching core: every order type and time in force, stops, phases, auctions, rules, tick tables, schedules.
-- Rows written before this change keep what they have; SELECT record.forget() writes them again from the tape.
BEGIN;

-- ---- orders

ALTER TABLE record.orders
    DROP CONSTRAINT orders_order_type_check,
    ADD CONSTRAINT orders_order_type_check
        CHECK (order_type IN ('market', 'limit', 'stop_loss', 'stop_limit', 'trailing_stop')),
    DROP CONSTRAINT orders_time_in_force_check,
    ADD CONSTRAINT orders_time_in_force_check
        CHECK (time_in_force IN ('day', 'gtc', 'gtd', 'ioc', 'fok', 'at_open', 'at_close')),
    DROP CONSTRAINT orders_status_check, -- U27: expired, which the documents' view shows as cancelled
    ADD CONSTRAINT orders_status_check
        CHECK (status IN ('pending_stop', 'open', 'partially_filled', 'filled', 'cancelled', 'expired')),
    ADD COLUMN flags         smallint NOT NULL DEFAULT 0,  -- enum order_flag
    ADD COLUMN stp           text NOT NULL DEFAULT 'none'  -- self-trade prevention
        CHECK (stp IN ('none', 'cancel_newest', 'cancel_oldest', 'cancel_both', 'decrement')),
    ADD COLUMN self_match_id bigint NOT NULL DEFAULT 0,
    ADD COLUMN waits_for     text NOT NULL DEFAULT ''      -- its trigger, the closing auction; '' = nothing
        CHECK (waits_for IN ('', 'trigger', 'close')),
    ADD COLUMN stop_price    bigint NOT NULL DEFAULT 0 CHECK (stop_price >= 0), -- as last told; 0 = none
    ADD COLUMN trail_offset  bigint NOT NULL DEFAULT 0 CHECK (trail_offset >= 0),
    ADD COLUMN display       bigint NOT NULL DEFAULT 0 CHECK (display >= 0),
    ADD COLUMN minimum       bigint NOT NULL DEFAULT 0 CHECK (minimum >= 0),
    ADD COLUMN expire_ns     bigint NOT NULL DEFAULT 0 CHECK (expire_ns >= 0),
    ADD COLUMN trigger_price bigint NOT NULL DEFAULT 0,    -- of the trade that triggered it
    ADD COLUMN triggered_at  timestamptz;
CREATE INDEX orders_pending_stop ON record.orders (order_id) WHERE status = 'pending_stop';

-- What happened to the order, beside the status after it.
ALTER TABLE record.order_event
    ADD COLUMN event         text,    -- name in schema/records.def
    ADD COLUMN price         bigint,  -- of the order after an amend or its trigger, of a trade the trade's
    ADD COLUMN quantity      bigint,  -- the order's total after the event; of a trade what was traded
    ADD COLUMN priority_kept boolean; -- of an amend: it kept its place in time

-- ---- trades and auctions

ALTER TABLE record.trade ADD COLUMN kind text NOT NULL DEFAULT 'continuous' CHECK (kind IN ('continuous', 'auction'));
CREATE INDEX trade_time ON record.trade USING brin (created_ns);

-- Results of call auctions. Indicative prices are on the tape only.
CREATE TABLE record.auction (
    sequence      bigint NOT NULL,
    event_index   integer NOT NULL,
    created_at    timestamptz NOT NULL,
    instrument_id integer NOT NULL,
    phase         smallint NOT NULL,                      -- it belongs to
    price         bigint NOT NULL CHECK (price >= 0),     -- 0 = nothing could be matched
    quantity      bigint NOT NULL CHECK (quantity >= 0),
    surplus       bigint NOT NULL CHECK (surplus >= 0),
    surplus_side  text CHECK (surplus_side IN ('buy', 'sell')), -- NULL = no surplus
    PRIMARY KEY (sequence, event_index)
);
CREATE INDEX auction_instrument ON record.auction (instrument_id, sequence);

-- ---- instruments

-- The begin of the trading day as gateway/common/statistics.h defines it.
ALTER TABLE record.instrument_state
    ADD COLUMN phase_end_ns     bigint NOT NULL DEFAULT 0,
    ADD COLUMN schedule_next_ns bigint NOT NULL DEFAULT 0,
    ADD COLUMN opened_ns        bigint NOT NULL DEFAULT 0, -- when its phase last left closed
    ADD COLUMN closed_ns        bigint NOT NULL DEFAULT 0; -- when it last became closed

CREATE TABLE record.instrument_rules (
    instrument_id         integer PRIMARY KEY,
    volatility_bps        bigint NOT NULL,
    order_quantity_min    bigint NOT NULL,
    order_notional_min    bigint NOT NULL,
    volatility_auction_ms bigint NOT NULL,
    indicative_ms         bigint NOT NULL,
    sequence              bigint NOT NULL
);
CREATE TABLE record.tick_band (
    instrument_id integer NOT NULL,
    band          smallint NOT NULL,
    from_price    bigint NOT NULL,
    tick          bigint NOT NULL,
    sequence      bigint NOT NULL,
    PRIMARY KEY (instrument_id, band)
);
CREATE TABLE record.schedule_entry (
    instrument_id  integer NOT NULL,
    entry          smallint NOT NULL,
    phase          smallint NOT NULL,
    weekdays       smallint NOT NULL, -- bit 0 Monday … bit 6 Sunday (UTC)
    time_of_day_ms integer NOT NULL,  -- UTC
    sequence       bigint NOT NULL,
    PRIMARY KEY (instrument_id, entry)
);

CREATE OR REPLACE FUNCTION record.forget() RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = '' AS $$
    UPDATE record.cursor SET sequence = 0, time_ns = 0, checksum = 0, updated_at = now(); -- first, as the recorder
    TRUNCATE record.asset, record.instrument, record.instrument_state, record.venue_event, record.orders,
        record.order_event, record.reject, record.trade, record.ledger_entry, record.balance, record.auction,
        record.instrument_rules, record.tick_band, record.schedule_entry;
$$;

-- ---- sessions

ALTER TABLE people.session ADD COLUMN member_scope boolean NOT NULL DEFAULT false; -- may cancel for its whole member

-- ---- views: new columns at the end

CREATE FUNCTION public.phase_word(phase smallint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT (ARRAY['closed', 'pre_open', 'opening_auction', 'continuous', 'volatility_auction', 'halted',
        'closing_auction'])[phase];
$$;
GRANT EXECUTE ON FUNCTION public.phase_word(smallint) TO PUBLIC;

CREATE OR REPLACE VIEW public.trades AS
SELECT r.trade_id AS id, s.created_at, r.instrument_id, r.token_asset AS token_id,
    r.buyer_account AS buyer_id, r.seller_account AS seller_id,
    r.buyer_order AS buy_order_id, r.seller_order AS sell_order_id, r.taker_side,
    public.decimal_of(r.price, 6::smallint) AS price,
    public.decimal_of(r.quantity, r.token_scale) AS quantity,
    public.decimal_of(r.notional, 6::smallint) AS total,
    public.decimal_of(r.buyer_fee + r.seller_fee, 6::smallint) AS fee,
    public.decimal_of(r.buyer_fee, 6::smallint) AS buyer_fee,
    public.decimal_of(r.seller_fee, 6::smallint) AS seller_fee,
    r.sequence, r.event_index, r.created_ns,
    r.price AS price_cash, r.quantity AS quantity_units, r.token_scale,
    r.notional - r.seller_fee AS seller_proceeds_cash,
    s.settlement_status, s.settlement_attempts, s.total_attempts, s.settlement_type, s.tx_hash,
    s.block_number, s.reason AS settlement_reason, s.settled_at, r.kind
FROM record.trade r JOIN settle.trade s ON s.trade_id = r.trade_id;

-- S1's words: what has expired shows as cancelled; cancel_reason tells (enum cancel_reason, 12 = expired).
CREATE OR REPLACE VIEW public.orders AS
SELECT o.order_id AS id, o.account_id AS user_id, o.session_id, o.instrument_id, o.token_asset AS token_id,
    o.side, o.order_type, o.time_in_force,
    CASE WHEN o.order_type IN ('limit', 'stop_limit') THEN public.decimal_of(o.price, 6::smallint) END AS price,
    public.decimal_of(o.quantity, o.token_scale) AS quantity,
    public.decimal_of(o.filled, o.token_scale) AS filled_quantity,
    public.decimal_of(o.leaves, o.token_scale) AS remaining_quantity,
    public.decimal_of(o.filled_notional, 6::smallint) AS filled_total,
    CASE o.status WHEN 'expired' THEN 'cancelled' ELSE o.status END AS status,
    o.client_id AS client_order_id, o.created_at, o.updated_at, o.updated_seq,
    (o.flags & 4) <> 0 AS post_only, o.stp AS self_trade_prevention, nullif(o.self_match_id, 0) AS self_match_id,
    nullif(o.waits_for, '') AS waits_for,
    public.decimal_of(nullif(o.stop_price, 0), 6::smallint) AS stop_price,
    public.decimal_of(nullif(o.trail_offset, 0), 6::smallint) AS trail_offset,
    public.decimal_of(nullif(o.display, 0), o.token_scale) AS display_quantity,
    public.decimal_of(nullif(o.minimum, 0), o.token_scale) AS minimum_quantity,
    timestamptz 'epoch' + nullif(o.expire_ns, 0) / 1000 * interval '1 microsecond' AS expires_at,
    public.decimal_of(nullif(o.trigger_price, 0), 6::smallint) AS trigger_price, o.triggered_at,
    o.status = 'expired' AS expired
FROM record.orders o;

CREATE OR REPLACE VIEW public.order_status_history AS
SELECT order_id, from_status, to_status, at, sequence, event_index, reason FROM (
    SELECT order_id, lag(status) OVER (PARTITION BY order_id ORDER BY sequence, event_index) AS from_status,
        status AS to_status, created_at AS at, sequence, event_index, reason
    FROM (SELECT order_id, sequence, event_index, created_at, reason,
            CASE status WHEN 'expired' THEN 'cancelled' ELSE status END AS status
        FROM record.order_event) s) e
WHERE from_status IS DISTINCT FROM to_status;

CREATE VIEW public.auctions AS
SELECT a.sequence AS id, a.created_at, a.instrument_id, i.symbol, public.phase_word(a.phase) AS phase,
    public.decimal_of(nullif(a.price, 0), 6::smallint) AS price,
    public.decimal_of(a.quantity, i.token_scale) AS quantity,
    public.decimal_of(a.surplus, i.token_scale) AS surplus, a.surplus_side, a.sequence, a.event_index
FROM record.auction a JOIN record.instrument i USING (instrument_id);

-- Of each instrument's trading day. The day begins when the phase leaves closed; of an instrument whose schedule
-- never closes it, at midnight UTC as well. turnover is exact, vwap is rounded down.
CREATE VIEW public.instrument_statistics AS
SELECT d.instrument_id, d.symbol, public.phase_word(d.phase) AS phase,
    timestamptz 'epoch' + nullif(d.begin_ns, 0) / 1000 * interval '1 microsecond' AS day_begin,
    public.decimal_of(t.open, 6::smallint) AS open, public.decimal_of(t.high, 6::smallint) AS high,
    public.decimal_of(t.low, 6::smallint) AS low, public.decimal_of(t.close, 6::smallint) AS close,
    public.decimal_of(t.volume::bigint, d.token_scale) AS volume,
    public.decimal_of(t.turnover::bigint, 6::smallint) AS turnover,
    public.decimal_of(div(t.turnover * 10::numeric ^ d.token_scale, nullif(t.volume, 0))::bigint, 6::smallint) AS vwap,
    t.trades
FROM (
    SELECT i.instrument_id, i.symbol, i.token_scale, s.phase,
        CASE WHEN EXISTS (SELECT FROM record.schedule_entry e WHERE e.instrument_id = i.instrument_id AND e.phase = 1)
            THEN s.opened_ns
            ELSE greatest(s.opened_ns, 86400000000000 * (CASE WHEN s.phase = 1 THEN s.closed_ns
                ELSE (extract(epoch FROM now()) * 1000000000)::bigint END / 86400000000000))
        END AS begin_ns
    FROM record.instrument i JOIN record.instrument_state s USING (instrument_id)) d
CROSS JOIN LATERAL (
    SELECT (array_agg(r.price ORDER BY r.trade_id))[1] AS open, max(r.price) AS high, min(r.price) AS low,
        (array_agg(r.price ORDER BY r.trade_id DESC))[1] AS close, coalesce(sum(r.quantity), 0) AS volume,
        coalesce(sum(r.notional), 0) AS turnover, count(*) AS trades
    FROM record.trade r WHERE r.instrument_id = d.instrument_id AND r.created_ns >= d.begin_ns) t;

-- ---- rights

GRANT SELECT, INSERT, UPDATE ON record.auction, record.instrument_rules TO lonja_record;
GRANT SELECT, INSERT, UPDATE, DELETE ON record.tick_band, record.schedule_entry TO lonja_record;
GRANT SELECT ON record.auction, record.instrument_rules, record.tick_band, record.schedule_entry, public.auctions,
    public.instrument_statistics TO lonja_admin;
GRANT SELECT ON public.auctions, public.instrument_statistics TO lonja_web, lonja_ops;

COMMIT;
