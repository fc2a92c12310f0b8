BEGIN;
SELECT 1 / (count(*) = 1)::int FROM record.cursor;
SELECT order_id, status, leaves FROM record.orders WHERE false;
SELECT trade_id, buyer_account, seller_account FROM record.trade WHERE false;
SELECT sequence, line, available FROM record.ledger_entry WHERE false;
SELECT account_id, asset_id, held FROM record.balance WHERE false;
SELECT order_id, status FROM record.order_event WHERE false;
SELECT sequence, code FROM record.reject WHERE false;
SELECT sequence, body FROM record.venue_event WHERE false;
-- Nothing may point into the record.
SELECT 1 / (count(*) = 0)::int FROM pg_constraint c JOIN pg_class t ON t.oid = c.confrelid
    JOIN pg_namespace n ON n.oid = t.relnamespace WHERE c.contype = 'f' AND n.nspname = 'record';
ROLLBACK;
