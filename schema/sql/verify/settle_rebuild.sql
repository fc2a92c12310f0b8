BEGIN;
SELECT chain_id, from_block, next_block, signers, begun_at, done_at FROM settle.rebuild WHERE false;
SELECT 1 / has_table_privilege('lonja_settle', 'settle.rebuild', 'SELECT')::int;
ROLLBACK;
