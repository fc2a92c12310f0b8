BEGIN;
SELECT token_asset, enabled_by, enabled_at, refused, refused_at FROM settle.netting WHERE false;
SELECT net_id, request_id, from_address, to_address, amount, trades, digest, block_number, at FROM chain.net WHERE false;
SELECT net_id, place FROM chain.request_leg WHERE false;
SELECT request_id, leg, from_address, to_address, amount, trade_id, net_id FROM chain.movement WHERE false;
SELECT 1 / (NOT EXISTS (SELECT FROM settle.net_differs))::int;
SELECT 1 / (prosrc LIKE '%chain.movement%')::int FROM pg_proc WHERE oid IN ('chain.reconcile_figures'::regproc, 'chain.index_transfer'::regproc);
SELECT 1 / has_table_privilege('lonja_index', 'chain.movement', 'SELECT')::int;
ROLLBACK;
