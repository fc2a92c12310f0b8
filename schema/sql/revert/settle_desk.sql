BEGIN;
DROP VIEW settle.progress, settle.status, settle.signer_lane, settle.lane;
DROP INDEX settle.nonce_open, settle.trade_failed;
DROP FUNCTION settle.worker_is_silent(timestamptz), settle.reason_text(text);
DROP TABLE settle.worker;
COMMIT;
