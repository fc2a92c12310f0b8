BEGIN;
SELECT one, sequence, time_ns, checksum, day_first, updated_at FROM surveil.cursor WHERE false;
SELECT alert_id, detector, sequence, event_index, at_ns, since_ns, instrument_id, symbol, side, member_id, account_id,
    counter_member_id, counter_account_id, price, quantity, token_scale, value, threshold, evidence, evidence_total, created_at,
    status, closed_at, closed_by, note
    FROM surveil.alert WHERE false;
SELECT 1 / (count(*) = 1)::int FROM surveil.cursor;
SELECT id, detector, at, price, quantity, evidence FROM surveil.alerts WHERE false;
SELECT 1 / (surveil.time_text(1700000000123456789) = '2023-11-14T22:13:20.123456789Z')::int;
-- Who finds alerts cannot close them, and who closes them cannot change what was found.
SELECT 1 / (NOT has_any_column_privilege('lonja_surveil', 'surveil.alert', 'UPDATE'))::int;
SELECT 1 / (NOT has_column_privilege('lonja_admin', 'surveil.alert', 'evidence', 'UPDATE'))::int;
SELECT 1 / (NOT has_table_privilege('lonja_admin', 'surveil.alert', 'DELETE'))::int;
ROLLBACK;
