BEGIN;

CREATE UNIQUE INDEX attempt_one_prepared ON settle.attempt (chain_id, signer_address) WHERE state = 'prepared';

COMMIT;
