BEGIN;
DROP FUNCTION chain.index_orphan(bigint, bigint, bigint), chain.index_confirm(bigint, bigint, integer),
    chain.index_transfer(chain.event_log), chain.index_post(bigint, text, text, smallint, boolean, integer, numeric),
    chain.request_settles(bigint);
DROP TABLE chain.ledger_posting, chain.wallet_net, chain.transfer, chain.reorganisation, chain.index_range, chain.index_set,
    chain.block, chain.index_source, chain.index_chain;
DROP TRIGGER index_new_source ON people.token;
DROP FUNCTION chain.index_new_source();
DROP INDEX chain.event_log_seen;
DROP TRIGGER event_is_written_once ON chain.event_log;
DROP FUNCTION chain.event_is_written_once();
REVOKE ALL ON ALL TABLES IN SCHEMA people, record, settle, chain FROM lonja_index;
REVOKE SELECT (request_id, tx_hash, state) ON settle.attempt FROM lonja_index;
REVOKE SELECT (account_id, wallet_address) ON people.account FROM lonja_index;
REVOKE USAGE ON SCHEMA public, people, record, settle, chain FROM lonja_index;
COMMIT;
