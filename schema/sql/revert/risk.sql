-- The record is emptied, and requests that the tables before cannot hold are lost.
BEGIN;
SELECT record.forget();
DROP VIEW public.risk_figures, public.proposals, public.wallet_transactions, public.user_balances, public.wallets,
    public.trade_corrections, public.trades;
CREATE OR REPLACE FUNCTION public.reason_word(reason smallint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT (ARRAY['by_owner', 'ioc', 'disconnect', 'by_venue', 'suspended', 'mass_cancel', 'limit', 'breaker', 'fok',
        'minimum_quantity', 'self_trade', 'expired', 'auction', 'amended', 'volatility'])[reason];
$$;
CREATE OR REPLACE FUNCTION record.forget() RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = '' AS $$
    UPDATE record.cursor SET sequence = 0, time_ns = 0, checksum = 0, updated_at = now(); -- first, as the recorder
    TRUNCATE record.asset, record.instrument, record.instrument_state, record.venue_event, record.orders,
        record.order_event, record.reject, record.trade, record.ledger_entry, record.balance, record.auction,
        record.instrument_rules, record.tick_band, record.schedule_entry;
$$;
DROP TABLE people.correction_request;
DELETE FROM people.ledger_request WHERE state IN ('proposed', 'withdrawn')
    OR kind NOT IN ('deposit', 'withdrawal', 'credit', 'debit');
ALTER TABLE people.ledger_request
    DROP COLUMN source, DROP COLUMN counter_account_id, DROP COLUMN operator_id, DROP COLUMN proposal_id,
    DROP CONSTRAINT ledger_request_kind_check,
    ADD CONSTRAINT ledger_request_kind_check CHECK (kind IN ('deposit', 'withdrawal', 'credit', 'debit')),
    DROP CONSTRAINT ledger_request_state_check,
    ADD CONSTRAINT ledger_request_state_check CHECK (state IN ('requested', 'done', 'rejected')),
    DROP CONSTRAINT ledger_request_check,
    ADD CONSTRAINT ledger_request_check CHECK ((state = 'requested') = (answered_at IS NULL));
DROP TABLE people.proposal;
ALTER TABLE people.session_account DROP COLUMN rights;
DELETE FROM people.account WHERE account_id = 4;
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
DROP TABLE settle.correction;
DROP FUNCTION settle.corrected();
ALTER TABLE settle.trade DROP COLUMN corrected_seq, DROP COLUMN corrected_quantity, DROP COLUMN corrected_notional,
    DROP COLUMN corrected_buyer_fee, DROP COLUMN corrected_seller_fee;
DROP TABLE record.session, record.session_account, record.limits, record.instrument_controls, record.jurisdictions,
    record.fees, record.kill, record.venue_rules, record.proposal, record.proposal_event, record.deficit_change,
    record.trade_correction;
ALTER TABLE record.instrument_state DROP COLUMN limit_state_end_ns;
ALTER TABLE record.ledger_entry DROP COLUMN deficit;
DROP INDEX record.balance_deficit;
ALTER TABLE record.balance DROP COLUMN deficit;

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
    r.price AS price_cash, r.quantity AS quantity_units, r.token_scale,
    r.notional - r.seller_fee AS seller_proceeds_cash,
    s.settlement_status, s.settlement_attempts, s.total_attempts, s.settlement_type, s.tx_hash,
    s.block_number, s.reason AS settlement_reason, s.settled_at, r.kind
FROM record.trade r JOIN settle.trade s ON s.trade_id = r.trade_id;

CREATE VIEW public.wallets AS
SELECT b.account_id AS user_id, b.asset_id AS token_id, a.symbol,
    public.decimal_of(b.available + b.held, a.scale) AS balance,
    public.decimal_of(b.held, a.scale) AS locked_balance,
    public.decimal_of(b.unsettled, a.scale) AS unsettled_balance,
    public.decimal_of(b.blocked, a.scale) AS blocked_balance, b.sequence
FROM record.balance b JOIN record.asset a ON a.asset_id = b.asset_id AND a.kind = 2;

CREATE VIEW public.user_balances AS
SELECT b.account_id AS user_id, a.symbol AS currency,
    public.decimal_of(b.available + b.held, a.scale) AS balance,
    public.decimal_of(b.held, a.scale) AS locked_balance,
    public.decimal_of(b.unsettled, a.scale) AS unsettled_balance, b.sequence
FROM record.balance b JOIN record.asset a ON a.asset_id = b.asset_id AND a.kind = 1;

CREATE VIEW public.wallet_transactions AS
SELECT e.sequence, e.event_index, e.line, e.account_id AS user_id, e.cause AS type, a.symbol AS currency,
    public.decimal_of(e.available + e.held, a.scale) AS amount, 'completed'::text AS status,
    NULL::bigint AS trade_id, e.created_at
FROM record.ledger_entry e JOIN record.asset a ON a.asset_id = e.asset_id
WHERE e.cause IN ('deposit', 'withdrawal', 'credit', 'debit') AND e.account_id > 15
UNION ALL
SELECT t.sequence, t.event_index, 0::smallint, t.buyer_account, 'token_buy', a.symbol,
    public.decimal_of(-t.notional - t.buyer_fee, 6::smallint), 'completed', t.trade_id, s.created_at
FROM record.trade t JOIN record.asset a ON a.asset_id = t.cash_asset JOIN settle.trade s USING (trade_id)
UNION ALL
SELECT t.sequence, t.event_index, 1::smallint, t.seller_account, 'token_sell', a.symbol,
    public.decimal_of(t.notional - t.seller_fee, 6::smallint), 'completed', t.trade_id, s.created_at
FROM record.trade t JOIN record.asset a ON a.asset_id = t.cash_asset JOIN settle.trade s USING (trade_id);

GRANT SELECT, UPDATE ON public.trades TO lonja_settle;
GRANT SELECT ON public.trades, public.wallets, public.user_balances, public.wallet_transactions TO lonja_web, lonja_admin;
GRANT SELECT ON public.trades TO lonja_ops;
COMMIT;
