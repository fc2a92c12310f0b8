BEGIN;
SELECT chain_id, genesis_hash, head_block, confirmed_block, subscribed, trouble FROM chain.index_chain WHERE false;
SELECT address, next_block, anchor_block FROM chain.index_source WHERE false;
SELECT digest, headers_proved FROM chain.index_range JOIN chain.index_set USING (set_id) WHERE false;
SELECT class, t.round, p.reversal FROM chain.transfer t JOIN chain.ledger_posting p USING (event_id) WHERE false;
SELECT has_function_privilege('lonja_index', 'chain.index_orphan(bigint, bigint, bigint)', 'execute')::int / 1;
SELECT 1 / (count(*) = 1)::int FROM pg_trigger WHERE tgname = 'event_is_written_once';
ROLLBACK;
