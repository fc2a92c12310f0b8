-- A freeze that is mined and not final yet is in nobody's rows, and looks like another agent's: a sale that needs those units waits.
BEGIN;

DROP FUNCTION settle.custody_spendable(bigint, text, text[], bigint);
-- What the venue's transfers may take of the frozen units of wallets of a contract, as of a block, and whether a freeze or release of
-- its own is under way; no row: it has frozen none there.
CREATE FUNCTION settle.custody_spendable(of_chain bigint, contract text, wallets text[], at_block bigint)
    RETURNS TABLE (address text, units numeric, under_way boolean) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT w.address, greatest(w.frozen - o.spilled, 0), w.request_id IS NOT NULL
    FROM people.token t JOIN chain.custody_wallet w ON w.token_asset = t.asset_id
    CROSS JOIN LATERAL chain.custody_others(w.token_asset, w.address, at_block) o
    WHERE t.chain_id = of_chain AND lower(t.contract_address) = contract AND w.address = ANY (wallets)
$$;
GRANT EXECUTE ON FUNCTION settle.custody_spendable(bigint, text, text[], bigint) TO lonja_settle;

INSERT INTO settle.reason_word (word, words, todo) VALUES
    ('freeze_not_final', 'units of the seller may be the venue''s own freeze, which is not final yet', NULL);

COMMIT;
