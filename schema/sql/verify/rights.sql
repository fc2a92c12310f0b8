BEGIN;
-- The recorder may insert the initial row and no more.
SELECT 1 / has_column_privilege('lonja_record', 'settle.trade', 'trade_id', 'INSERT')::int;
SELECT 1 / (NOT has_column_privilege('lonja_record', 'settle.trade', 'settlement_status', 'INSERT'))::int;
SELECT 1 / (NOT has_any_column_privilege('lonja_record', 'settle.trade', 'UPDATE'))::int;
SELECT 1 / (NOT has_any_column_privilege('lonja_record', 'settle.trade', 'SELECT'))::int;
-- Nobody but the administrator's process sees names; nobody changes the audit.
SELECT 1 / (NOT has_column_privilege('lonja_settle', 'public.users', 'name', 'SELECT'))::int;
SELECT 1 / (NOT has_any_column_privilege('lonja_web', 'people.account', 'SELECT'))::int;
SELECT 1 / (NOT has_any_column_privilege('lonja_admin', 'people.audit_log', 'UPDATE'))::int;
SELECT 1 / (NOT has_table_privilege('lonja_admin', 'people.audit_log', 'DELETE'))::int;
-- Settlement may claim.
SELECT 1 / has_table_privilege('lonja_settle', 'public.trades', 'UPDATE')::int;
ROLLBACK;
