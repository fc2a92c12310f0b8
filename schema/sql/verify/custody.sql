BEGIN;
SELECT request_id, open FROM chain.custody_request WHERE false;
SELECT source, request_id, token_asset, address, frozen, claimed, released, at FROM chain.custody_entry WHERE false;
SELECT event_id, token_asset, address, change FROM chain.freeze_event WHERE false;
SELECT venue_frozen FROM chain.transfer_check WHERE false;
SELECT need_id FROM chain.ledger_posting WHERE false;
SELECT custody FROM people.token WHERE false;
SELECT token_asset, address, frozen, claimed, released, changed, request_id, failures, alone, retry_at, reason
    FROM chain.custody_wallet WHERE false;
SELECT need_id, kind, token_asset, address, account_id, units, state, trade_id, event_id, side, round, reversal, reference,
    asked, requested_by, reason, created_at, done_at
    FROM chain.custody_need WHERE false;
SELECT awaits_freeze FROM settle.result WHERE false;
SELECT unfrozen FROM chain.request_leg WHERE false;
SELECT 1 / (settle.custody_step(1) = 0)::int;
SELECT 1 / has_function_privilege('lonja_settle', 'settle.custody_step(bigint)', 'EXECUTE')::int;
SELECT 1 / (NOT has_table_privilege('lonja_settle', 'chain.custody_entry', 'INSERT'))::int;
ROLLBACK;
