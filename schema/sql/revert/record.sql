BEGIN;
DROP FUNCTION record.forget();
DROP TABLE record.balance, record.ledger_entry, record.trade, record.reject, record.order_event,
    record.orders, record.venue_event, record.instrument_state, record.instrument, record.asset, record.cursor;
COMMIT;
