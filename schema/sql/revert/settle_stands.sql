BEGIN;
DROP FUNCTION settle.trade_waits(bigint, integer);
DELETE FROM settle.reason_word WHERE word IN ('no_higher_bid', 'nonce_cannot_be_given_up');
COMMIT;
