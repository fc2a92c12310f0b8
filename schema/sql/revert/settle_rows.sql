BEGIN;

DROP INDEX settle.trade_open;
CREATE INDEX trade_processing ON settle.trade (trade_id) WHERE settlement_status = 'processing';
DROP INDEX settle.trade_pending;
CREATE INDEX trade_pending ON settle.trade (created_at) WHERE settlement_status = 'pending';

COMMIT;
