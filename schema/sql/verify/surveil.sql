BEGIN;
SELECT 1 / (count(*) = 1)::int FROM surveil.cursor;
SELECT id, detector, at, price, quantity, evidence FROM surveil.alerts WHERE false;
SELECT 1 / (surveil.time_text(1700000000123456789) = '2023-11-14T22:13:20.123456789Z')::int;
-- Who finds alerts cannot close them, and who closes them cannot change what was found.
SELECT 1 / (NOT has_any_column_privilege('lonja_surveil', 'surveil.alert', 'UPDATE'))::int;
SELECT 1 / (NOT has_column_privilege('lonja_admin', 'surveil.alert', 'evidence', 'UPDATE'))::int;
SELECT 1 / (NOT has_table_privilege('lonja_admin', 'surveil.alert', 'DELETE'))::int;
ROLLBACK;
