-- The queue of pending trades by an index in its own order; what is on its way, by trade.
BEGIN;

DROP INDEX settle.trade_pending;
CREATE INDEX trade_pending ON settle.trade (created_at, trade_id) WHERE settlement_status = 'pending'; -- F3
-- What an earlier trade of the same token waits for, or holds up.
DROP INDEX settle.trade_processing;
CREATE INDEX trade_open ON settle.trade (trade_id) WHERE settlement_status IN ('pending', 'processing');

COMMIT;
