BEGIN;
SELECT hold_id, trade_id, token_asset, venue, held_by, reason, held_at, released_by, released_at FROM settle.hold WHERE false;
SELECT fate FROM settle.attempt WHERE false;
SELECT trade_id, token_asset, venue, reason FROM settle.held WHERE false;
SELECT incident_id, at, kind, request_id, trade_id, token_asset, tx_hash, closed_at, closed_by FROM settle.incident WHERE false;
SELECT mark_id, trade_id, outcome, tx_hash, reason, proposed_by, proposed_at, approved_by, approved_at, withdrawn_at,
    answered_at, answer
    FROM settle.manual_mark WHERE false;
SELECT trade_id, reason, owed_at, settled_at FROM settle.owed_on_chain WHERE false;
SELECT 1 / (count(*) = 2)::int FROM pg_indexes WHERE schemaname = 'settle' AND indexname LIKE 'attempt_one_open%';
SELECT 1 / has_table_privilege('lonja_admin', 'settle.hold', 'INSERT')::int;
SELECT 1 / (NOT has_table_privilege('lonja_web', 'settle.hold', 'INSERT'))::int;
ROLLBACK;
