BEGIN;
DROP TABLE settle.result, settle.attempt, settle.nonce, settle.retry_request, settle.trade_settlement_history;
ALTER TABLE chain.request_leg DROP CONSTRAINT request_leg_trade_id_fkey;
DROP TABLE settle.trade;
DROP FUNCTION settle.retry_requested();
DROP FUNCTION settle.trade_updated();
DROP FUNCTION settle.trade_inserted();
COMMIT;
