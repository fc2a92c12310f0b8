BEGIN;
SELECT only_row, sequence, time_ns, checksum, updated_at FROM record.cursor WHERE false;
SELECT asset_id, kind, scale, symbol, sequence FROM record.asset WHERE false;
SELECT instrument_id, token_asset, cash_asset, status, trading_mode, flags, token_scale, tick, lot, fat_finger_block_bps,
    fat_finger_confirm_bps, nav_confirm_bps, collar_bps, fee_bps, breaker_bps, order_quantity_max, order_notional_max, symbol,
    sequence
    FROM record.instrument WHERE false;
SELECT instrument_id, phase, breaker_tripped, last_price, reference_price, nav, nav_time_ns, sequence
    FROM record.instrument_state WHERE false;
SELECT 1 / (count(*) = 1)::int FROM record.cursor;
SELECT order_id, account_id, session_id, gateway, instrument_id, token_asset, token_scale, side, order_type, time_in_force,
    price, quantity, leaves, filled, filled_notional, status, client_id, created_at, created_ns, updated_at, updated_seq
    FROM record.orders WHERE false;
SELECT trade_id, sequence, event_index, created_ns, instrument_id, token_asset, cash_asset, token_scale, taker_side, price,
    quantity, notional, buyer_account, seller_account, buyer_order, seller_order, buyer_fee, seller_fee
    FROM record.trade WHERE false;
SELECT sequence, event_index, line, created_at, cause, account_id, asset_id, available, held, unsettled, blocked
    FROM record.ledger_entry WHERE false;
SELECT account_id, asset_id, available, held, unsettled, blocked, sequence FROM record.balance WHERE false;
SELECT order_id, sequence, event_index, created_at, status, leaves, reason FROM record.order_event WHERE false;
SELECT sequence, event_index, created_at, session_id, gateway, command, code, name, account_id, instrument_id, order_id,
    limit_value, value, argument, client_id
    FROM record.reject WHERE false;
SELECT sequence, event_index, created_at, event, body FROM record.venue_event WHERE false;
-- Nothing may point into the record.
SELECT 1 / (count(*) = 0)::int FROM pg_constraint c JOIN pg_class t ON t.oid = c.confrelid
    JOIN pg_namespace n ON n.oid = t.relnamespace WHERE c.contype = 'f' AND n.nspname = 'record';
ROLLBACK;
