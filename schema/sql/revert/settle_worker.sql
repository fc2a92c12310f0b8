BEGIN;
ALTER TABLE chain.transfer_check DROP COLUMN stage;
DROP INDEX settle.attempt_one_prepared, settle.attempt_one_open;
DROP SEQUENCE settle.result_number;
DROP TABLE settle.signer;
REVOKE UPDATE (from_address, to_address, amount) ON chain.request_leg FROM lonja_settle;
COMMIT;
