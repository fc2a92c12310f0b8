-- What hinders a worker whose node is on another chain than it was, or should be.
BEGIN;

INSERT INTO settle.reason_word (word, words, todo) VALUES
    ('node_on_another_chain', 'the node is on another chain than settle.chain_id', 'correct settle.rpc_url or settle.network; see what stands behind the address');

COMMIT;
