BEGIN;
SELECT 1 / (settle.trade_waits(0, 0) IS NULL)::int;
SELECT 1 / (count(*) = 2)::int FROM settle.reason_word WHERE word IN ('no_higher_bid', 'nonce_cannot_be_given_up');
ROLLBACK;
