-- The record is emptied: what it has now would not fit the tables before.
BEGIN;
SELECT record.forget();
DROP VIEW public.instrument_statistics, public.auctions, public.order_status_history, public.orders, public.trades;
DROP FUNCTION public.phase_word(smallint);
ALTER TABLE people.session DROP COLUMN member_scope;
CREATE OR REPLACE FUNCTION record.forget() RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = '' AS $$
    UPDATE record.cursor SET sequence = 0, time_ns = 0, checksum = 0, updated_at = now(); -- first, as the recorder
    TRUNCATE record.asset, record.instrument, record.instrument_state, record.venue_event, record.orders,
        record.order_event, record.reject, record.trade, record.ledger_entry, record.balance;
$$;
DROP TABLE record.auction, record.instrument_rules, record.tick_band, record.schedule_entry;
ALTER TABLE record.instrument_state
    DROP COLUMN phase_end_ns, DROP COLUMN schedule_next_ns, DROP COLUMN opened_ns, DROP COLUMN closed_ns;
DROP INDEX record.trade_time;
ALTER TABLE record.trade DROP COLUMN kind;
ALTER TABLE record.order_event DROP COLUMN event, DROP COLUMN price, DROP COLUMN quantity, DROP COLUMN priority_kept;
DROP INDEX record.orders_pending_stop;
ALTER TABLE record.orders
    DROP CONSTRAINT orders_order_type_check,
    ADD CONSTRAINT orders_order_type_check CHECK (order_type IN ('market', 'limit', 'stop_loss', 'stop_limit')),
    DROP CONSTRAINT orders_time_in_force_check,
    ADD CONSTRAINT orders_time_in_force_check CHECK (time_in_force IN ('day', 'gtc', 'ioc')),
    DROP CONSTRAINT orders_status_check,
    ADD CONSTRAINT orders_status_check
        CHECK (status IN ('pending_stop', 'open', 'partially_filled', 'filled', 'cancelled')),
    DROP COLUMN flags, DROP COLUMN stp, DROP COLUMN self_match_id, DROP COLUMN waits_for, DROP COLUMN stop_price,
    DROP COLUMN trail_offset, DROP COLUMN display, DROP COLUMN minimum, DROP COLUMN expire_ns,
    DROP COLUMN trigger_price, DROP COLUMN triggered_at;

CREATE VIEW public.trades AS
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
    r.price AS price_cash, r.quantity AS quantity_units, r.token_scale,      -- base units
    r.notional - r.seller_fee AS seller_proceeds_cash,
    s.settlement_status, s.settlement_attempts, s.total_attempts, s.settlement_type, s.tx_hash,
    s.block_number, s.reason AS settlement_reason, s.settled_at
FROM record.trade r JOIN settle.trade s ON s.trade_id = r.trade_id;

CREATE VIEW public.orders AS
SELECT o.order_id AS id, o.account_id AS user_id, o.session_id, o.instrument_id, o.token_asset AS token_id,
    o.side, o.order_type, o.time_in_force,
    CASE WHEN o.order_type <> 'market' THEN public.decimal_of(o.price, 6::smallint) END AS price,
    public.decimal_of(o.quantity, o.token_scale) AS quantity,
    public.decimal_of(o.filled, o.token_scale) AS filled_quantity,
    public.decimal_of(o.leaves, o.token_scale) AS remaining_quantity,
    public.decimal_of(o.filled_notional, 6::smallint) AS filled_total,
    o.status, o.client_id AS client_order_id, o.created_at, o.updated_at, o.updated_seq
FROM record.orders o;

CREATE VIEW public.order_status_history AS
SELECT order_id, from_status, to_status, at, sequence, event_index, reason FROM (
    SELECT order_id, lag(status) OVER (PARTITION BY order_id ORDER BY sequence, event_index) AS from_status,
        status AS to_status, created_at AS at, sequence, event_index, reason
    FROM record.order_event) e
WHERE from_status IS DISTINCT FROM to_status;

GRANT SELECT, UPDATE ON public.trades TO lonja_settle;
GRANT SELECT ON public.trades, public.orders, public.order_status_history TO lonja_web, lonja_admin;
GRANT SELECT ON public.trades TO lonja_ops;
COMMIT;
