BEGIN;
DROP TABLE chain.event_log, chain.gas_transaction, chain.transfer_check, chain.request_leg, chain.chain_request;
COMMIT;
