BEGIN;
SELECT abandonment_id, request_id, begun_at, answer FROM settle.abandonment WHERE false;
SELECT abandonment, trades, state FROM settle.abandonment_list WHERE false;
SELECT abandonment_id FROM settle.hold WHERE false;
ROLLBACK;
