-- The names and columns of the documents (requirements K), as views. Numbers are decimals here.
BEGIN;

-- INNER JOIN of two tables and nothing else: FOR UPDATE OF a view locks rows of every table in it, so that
-- locking a trade must not lock its token or its users.
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

CREATE VIEW public.trade_settlement_history AS
SELECT history_id AS id, trade_id, from_status, to_status, attempt, tx_hash, reason, at
FROM settle.trade_settlement_history;

CREATE VIEW public.tokens AS
SELECT t.asset_id AS id, a.symbol, t.name, t.decimals, a.scale, t.status, t.trading_mode, t.chain_id,
    t.contract_address, t.identity_registry_addr, t.primary_start, t.primary_end,
    public.decimal_of(t.price_per_token, 6::smallint) AS price_per_token,
    public.decimal_of(t.total_supply, a.scale) AS total_supply,
    public.decimal_of(t.min_investment, 6::smallint) AS min_investment,
    c.symbol AS raise_currency, t.primary_offering_pct, t.team_pct, t.reserve_pct,
    public.decimal_of(t.tokens_sold, a.scale) AS tokens_sold,
    public.decimal_of(t.total_raised, 6::smallint) AS total_raised,
    t.created_at, t.updated_at
FROM people.token t JOIN people.asset a ON a.asset_id = t.asset_id
LEFT JOIN people.asset c ON c.asset_id = t.raise_currency;

-- One row per account. fiat_balance is what is free to use (E9 takes the lock out of it), in USD.
CREATE VIEW public.users AS
SELECT u.account_id AS id, u.member_id, u.name,
    coalesce((SELECT public.decimal_of(b.available, 6::smallint) FROM record.balance b
        JOIN people.asset a ON a.asset_id = b.asset_id
        WHERE b.account_id = u.account_id AND a.kind = 'cash' AND a.symbol = 'USD'), 0) AS fiat_balance,
    u.kyc_status, u.kyc_level, u.accreditation_status, u.fatca_status, u.nationality, u.jurisdiction,
    u.wallet_address, u.is_activated, u.is_suspended, u.created_at, u.updated_at
FROM people.account u;

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

-- Only the events that changed the status; from_status NULL = the order's first.
CREATE VIEW public.order_status_history AS
SELECT order_id, from_status, to_status, at, sequence, event_index, reason FROM (
    SELECT order_id, lag(status) OVER (PARTITION BY order_id ORDER BY sequence, event_index) AS from_status,
        status AS to_status, created_at AS at, sequence, event_index, reason
    FROM record.order_event) e
WHERE from_status IS DISTINCT FROM to_status;

CREATE VIEW public.order_rejects AS
SELECT sequence AS id, account_id AS user_id, session_id, instrument_id, command, code, name, order_id,
    limit_value, value, argument, client_id AS client_order_id, created_at
FROM record.reject;

-- Money and token movements of members, as the documents list them.
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

CREATE VIEW public.gas_transactions AS
SELECT gas_id AS id, request_id, chain_id, tx_hash, operation, succeeded, block_number, gas_limit, gas_used,
    gas_price_wei, fee_wei, created_at
FROM chain.gas_transaction;

CREATE VIEW public.event_log AS
SELECT event_id AS id, chain_id, tx_hash, log_index, block_number, block_hash, address, event_name,
    decoded_payload, state, processed_at
FROM chain.event_log;

CREATE VIEW public.audit_logs AS
SELECT audit_id AS id, login_id AS reviewer_id, actor, role, at AS created_at, action AS action_type,
    outcome, details AS decision_details, answer
FROM people.audit_log;

COMMIT;
