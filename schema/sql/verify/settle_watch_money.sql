BEGIN;
SELECT 1 / count(*) FROM settle.watch WHERE watch ->> 'unmatched' IS NOT NULL;
SELECT escrow_key FROM chain.stablecoin_status WHERE false;
SELECT 1 / has_column_privilege('lonja_settle', 'people.stablecoin', 'escrow_address', 'SELECT')::int;
ROLLBACK;
