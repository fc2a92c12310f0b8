BEGIN;
DROP VIEW settle.watch;
DROP VIEW settle.signer_fuel;
DROP INDEX chain.gas_transaction_created;
ALTER TABLE settle.worker DROP COLUMN signer_address, DROP COLUMN balance_wei;
COMMIT;
