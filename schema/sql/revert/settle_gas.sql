BEGIN;

REVOKE DELETE ON chain.gas_transaction FROM lonja_settle;
DROP TABLE chain.gas_lost;

COMMIT;
