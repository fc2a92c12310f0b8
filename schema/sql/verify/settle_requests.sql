BEGIN;
SELECT 1 / (count(*) = 2)::int FROM pg_trigger WHERE tgname IN ('request_made', 'request_changed') AND tgrelid = 'chain.chain_request'::regclass;
SELECT 1 / (NOT attnotnull)::int FROM pg_attribute WHERE attrelid = 'settle.attempt'::regclass AND attname = 'to_address';
ROLLBACK;
