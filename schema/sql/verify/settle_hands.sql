BEGIN;
SELECT account_id FROM settle.held WHERE false;
SELECT withdrawn_by, problem, checked_at, log_index FROM settle.manual_mark WHERE false;
SELECT close_reason, close_proposed_by FROM settle.incident WHERE false;
SELECT 1 / has_column_privilege('lonja_settle', 'settle.manual_mark', 'problem', 'UPDATE')::int;
SELECT 1 / (NOT has_column_privilege('lonja_settle', 'settle.manual_mark', 'approved_by', 'UPDATE'))::int;
SELECT 1 / (NOT has_column_privilege('lonja_settle', 'settle.incident', 'closed_at', 'UPDATE'))::int;
ROLLBACK;
