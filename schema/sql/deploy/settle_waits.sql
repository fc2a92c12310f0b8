-- What a trade waits for that has no reason of its own: the chain, the signer, the worker.
BEGIN;

-- Why nothing of a token goes to the chain now, whoever's trade it is; NULL: nothing hinders it.
CREATE FUNCTION settle.token_trouble(asset integer) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN settle.worker_is_silent((SELECT max(due_at) FROM settle.worker)) THEN 'worker_silent'
        WHEN t.contract_address IS NOT NULL AND c.chain_id IS NULL THEN 'contract_on_another_chain'
        ELSE c.trouble END
    FROM people.token t LEFT JOIN settle.worker c ON c.chain_id = t.chain_id AND t.contract_address IS NOT NULL
    WHERE t.asset_id = asset
$$;
GRANT EXECUTE ON FUNCTION settle.token_trouble(integer) TO lonja_admin;

UPDATE settle.reason_word SET todo = 'register it (docs/assets.md) or correct the account''s wallet; retry'
    WHERE word IN ('not_registered_sender', 'not_registered_receiver');

COMMIT;
