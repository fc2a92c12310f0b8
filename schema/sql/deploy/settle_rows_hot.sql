-- Rows that change in their place: an update that touches no indexed column, in a page with room, makes no new index entries.
-- (A column in an index's condition counts as indexed.)
BEGIN;

-- A leg goes from open to done in every transfer; both may have moved its trade.
ALTER TABLE chain.request_leg ADD COLUMN may_have_moved boolean NOT NULL GENERATED ALWAYS AS (state IN ('open', 'done')) STORED;
DROP INDEX chain.request_leg_once;
CREATE UNIQUE INDEX request_leg_once ON chain.request_leg (trade_id) WHERE trade_id IS NOT NULL AND may_have_moved;
ALTER TABLE chain.request_leg SET (fillfactor = 50);

-- A trade on its way gets its hash.
ALTER TABLE settle.trade SET (fillfactor = 50);

COMMIT;
