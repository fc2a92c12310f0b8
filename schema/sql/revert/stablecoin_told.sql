BEGIN;
DROP TRIGGER payout_told ON chain.payout;
DROP FUNCTION chain.payout_told();
DROP TRIGGER unmatched_told ON chain.transfer;
DROP FUNCTION chain.unmatched_told();
COMMIT;
