BEGIN;
SELECT 1 / count(*) FROM settle.watch WHERE watch ->> 'payouts_troubled' IS NOT NULL;
ROLLBACK;
