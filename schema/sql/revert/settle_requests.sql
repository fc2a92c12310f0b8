BEGIN;
DROP TRIGGER request_changed ON chain.chain_request;
DROP FUNCTION chain.request_changed();
DROP TRIGGER request_made ON chain.chain_request;
DROP FUNCTION chain.request_made();
UPDATE settle.attempt SET to_address = '0x' || repeat('0', 40) WHERE to_address IS NULL;
ALTER TABLE settle.attempt ALTER COLUMN to_address SET NOT NULL;
COMMIT;
