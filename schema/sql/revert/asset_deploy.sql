BEGIN;
REVOKE SELECT, UPDATE (chain_id, contract_address, identity_registry_addr, updated_at) ON people.token FROM lonja_settle;
REVOKE SELECT ON people.asset FROM lonja_settle;
DROP VIEW chain.deployment_progress, chain.request_status;
DROP TABLE chain.deployment_step, chain.deployment;
ALTER TABLE chain.chain_request DROP COLUMN content_hash;
ALTER TABLE chain.chain_request DROP CONSTRAINT chain_request_operation_check;
ALTER TABLE chain.chain_request ADD CONSTRAINT chain_request_operation_check CHECK (operation IN (
    'forced_transfer', 'batch_forced_transfer', 'mint', 'burn', 'register_identity', 'delete_identity', 'freeze_partial',
    'unfreeze_partial', 'set_address_frozen', 'deploy', 'add_agent', 'cancel_nonce'));
COMMIT;
