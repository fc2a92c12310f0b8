BEGIN;
SELECT account_id, release_reason FROM settle.hold WHERE false;
SELECT account_id FROM settle.held WHERE false;
SELECT withdrawn_by, withdraw_reason, checked_at, problem, block_number, log_index FROM settle.manual_mark WHERE false;
SELECT close_reason, close_proposed_by, close_proposed_at FROM settle.incident WHERE false;
SELECT 1 / has_column_privilege('lonja_settle', 'settle.manual_mark', 'problem', 'UPDATE')::int;
SELECT 1 / (NOT has_column_privilege('lonja_settle', 'settle.manual_mark', 'approved_by', 'UPDATE'))::int;
SELECT 1 / (NOT has_column_privilege('lonja_settle', 'settle.incident', 'closed_at', 'UPDATE'))::int;
ROLLBACK;
