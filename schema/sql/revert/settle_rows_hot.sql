BEGIN;

ALTER TABLE settle.trade RESET (fillfactor);
ALTER TABLE chain.request_leg RESET (fillfactor);
DROP INDEX chain.request_leg_once;
CREATE UNIQUE INDEX request_leg_once ON chain.request_leg (trade_id)
    WHERE trade_id IS NOT NULL AND state IN ('open', 'done');
ALTER TABLE chain.request_leg DROP COLUMN may_have_moved;

COMMIT;
