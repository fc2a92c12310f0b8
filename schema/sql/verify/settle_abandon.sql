BEGIN;
SELECT abandonment_id, request_id, reason, proposed_by, proposed_at, approved_by, approved_at, withdrawn_by, withdrawn_at,
    withdraw_reason, begun_at, answered_at, answer
    FROM settle.abandonment WHERE false;
SELECT abandonment, trades, state FROM settle.abandonment_list WHERE false;
SELECT abandonment_id FROM settle.hold WHERE false;
ROLLBACK;
