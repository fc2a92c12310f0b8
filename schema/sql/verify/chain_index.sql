BEGIN;
SELECT chain_id, number, hash, parent_hash, state, seen_at FROM chain.block WHERE false;
SELECT set_id, addresses FROM chain.index_set WHERE false;
SELECT range_id, chain_id, set_id, from_block, to_block, first_parent_hash, last_hash, log_count, bloom_blocks, receipts_blocks,
    headers_proved, digest, state, proved_at
    FROM chain.index_range WHERE false;
SELECT reorganisation_id, chain_id, fork_block, depth, events, confirmed_events, postings, at FROM chain.reorganisation WHERE false;
SELECT event_id, chain_id, token_asset, block_number, from_address, to_address, amount, class, request_id, leg, state, round,
    from_counted, to_counted
    FROM chain.transfer WHERE false;
SELECT token_asset, address, net, booked FROM chain.wallet_net WHERE false;
SELECT number, event_id, side, round, reversal, account_id, token_asset, kind, units, content_hash, state, sequence, reject_code,
    created_at, answered_at
    FROM chain.ledger_posting WHERE false;
SELECT chain_id, genesis_hash, head_block, confirmed_block, subscribed, trouble, updated_at FROM chain.index_chain WHERE false;
SELECT chain_id, address, kind, token_asset, next_block, anchor_block, created_at FROM chain.index_source WHERE false;
SELECT digest, headers_proved FROM chain.index_range JOIN chain.index_set USING (set_id) WHERE false;
SELECT class, t.round, p.reversal FROM chain.transfer t JOIN chain.ledger_posting p USING (event_id) WHERE false;
SELECT has_function_privilege('lonja_index', 'chain.index_orphan(bigint, bigint, bigint)', 'execute')::int / 1;
SELECT 1 / (count(*) = 1)::int FROM pg_trigger WHERE tgname = 'event_is_written_once';
ROLLBACK;
